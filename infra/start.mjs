// `npm start`: installs what is missing, then runs the CLI's nightly job with the packaged Node.
import path from "node:path";
import { become, findNode, install, ROOT } from "./prepare.mjs";

install();
become(findNode(), [path.join(ROOT, "apps/cli/src/main.ts"), "nightly", ...process.argv.slice(2)], true);
