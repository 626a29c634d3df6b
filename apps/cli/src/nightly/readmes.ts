import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** One real document of the night. */
export interface Readme {
  /** The package's folder below the root, such as `node_modules/hono`; unique. */
  readonly id: string;
  readonly packageName: string;
  /** Decoded, cut to the cap at a line where one is near. */
  readonly text: string;
}

const DEPTH = 6;
const NAME = /^readme(?:\.(?:md|markdown|mdown|txt|rst))?$/i;

/**
 * Collects the README files of every installed package below the `node_modules` folders given, nested ones included, in a stable
 * order. Packages that are links (our own workspaces), empty files and files that are not text are left out.
 */
export function collectReadmes(root: string, capChars: number): Readme[] {
  const found: Readme[] = [];
  const visit = (modules: string, depth: number): void => {
    for (const folder of packageFolders(modules)) {
      const text = readmeOf(folder, capChars);
      if (text !== null) found.push({ id: relative(root, folder).replaceAll("\\", "/"), packageName: nameOf(folder, modules), text });
      if (depth === DEPTH) continue;
      // A package may also bundle the dependencies of a part of itself (`protobufjs/cli`).
      for (const home of [folder, ...subfolders(folder)]) if (existsSync(join(home, "node_modules"))) visit(join(home, "node_modules"), depth + 1);
    }
  };
  for (const modules of moduleFolders(root)) visit(modules, 0);
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The root's folder, and those that npm keeps beside single workspaces. */
function moduleFolders(root: string): string[] {
  const homes = [root, ...subfolders(join(root, "apps")), ...subfolders(join(root, "packages")).flatMap(subfolders)];
  return homes.map((home) => join(home, "node_modules")).filter((modules) => existsSync(modules));
}

const subfolders = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() && entry.name !== "node_modules" ? [join(folder, entry.name)] : [],
      )
    : [];

const packageFolders = (modules: string): string[] =>
  subfolders(modules).flatMap((folder) => {
    const name = folder.slice(modules.length + 1);
    if (name.startsWith(".")) return [];
    return name.startsWith("@") ? subfolders(folder) : [folder];
  });

const nameOf = (folder: string, modules: string): string => folder.slice(modules.length + 1).replaceAll("\\", "/");

function readmeOf(folder: string, capChars: number): string | null {
  const name = readdirSync(folder).find((entry) => NAME.test(entry));
  if (name === undefined || !statSync(join(folder, name)).isFile()) return null;
  const text = readFileSync(join(folder, name), "utf8")
    .replace(/^\uFEFF/, "")
    .trim();
  if (text === "" || text.includes("\u0000") || text.includes("\uFFFD")) return null;
  return cut(text, capChars);
}

function cut(text: string, capChars: number): string {
  if (text.length <= capChars) return text;
  const line = text.lastIndexOf("\n", capChars);
  const end = line > capChars * 0.8 ? line : capChars;
  // Never between the halves of a surrogate pair.
  return text.slice(0, /[\uD800-\uDBFF]/.test(text.charAt(end - 1)) ? end - 1 : end);
}
