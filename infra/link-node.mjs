// Root postinstall: puts the packaged Node 24 first on the PATH of every npm script (npm before 11 drops the bin link).
import fs from "node:fs";
import path from "node:path";

const packaged = path.resolve("node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
const link = path.resolve("node_modules", ".bin", "node");
if (Number(process.versions.node.split(".")[0]) < 24 && fs.existsSync(packaged) && !fs.existsSync(link)) {
  fs.mkdirSync(path.dirname(link), { recursive: true });
  fs.symlinkSync(path.relative(path.dirname(link), packaged), link);
}
