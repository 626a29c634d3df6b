#!/usr/bin/env node
// `npx slowboat` in the checkout: the CLI's TypeScript, run by the Node that was installed with it.
import path from "node:path";
import { become, findNode, install, ROOT } from "../../../infra/prepare.mjs";

install();
become(findNode(), [path.join(ROOT, "apps/cli/src/main.ts"), ...process.argv.slice(2)], true);
