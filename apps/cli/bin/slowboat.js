#!/usr/bin/env node
// `npx slowboat` in the checkout: the CLI's TypeScript, run by the Node that was installed with it.
import path from "node:path";
import { become, findNode, install, ROOT } from "../../../infra/prepare.mjs";

// Node strips the types and compiles at each start; what it made of a file is kept by the file's content.
process.env.NODE_COMPILE_CACHE ??= path.join(ROOT, "node_modules/.cache/slowboat-compiled");
install();
become(findNode(), [path.join(ROOT, "apps/cli/src/main.ts"), ...process.argv.slice(2)], true);
