// `npm test`: installs what is missing, then runs every vitest project with the packaged Node; arguments go on to vitest.
import path from "node:path";
import { become, findNode, install, ROOT } from "./prepare.mjs";

install();
process.chdir(ROOT);
become(findNode(), [path.join(ROOT, "node_modules/vitest/vitest.mjs"), "run", ...process.argv.slice(2)], false);
