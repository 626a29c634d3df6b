import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Ended, EXIT } from "../exit.ts";

/** A folder that belongs to one supervisor: everything in it is readable by its user alone. */
export interface DataFolder {
  readonly dir: string;
  at(...parts: string[]): string;
  /** The text of a file, or `null` when there is none. */
  read(name: string): string | null;
  /** Writes a file for our eyes only, whole or not at all. */
  write(name: string, text: string): void;
  /** The pepper and key-encryption key, 64 hex digits, made at the first start. */
  secret(): string;
}

/**
 * Opens the data folder, making it when missing. `passable`: another user (nobody, who runs Postgres where root may not) must get
 * through to its own folder inside; everything else stays closed to it all the same.
 */
export function openDataFolder(dir: string, passable = false): DataFolder {
  try {
    makeFolder(dir);
    chmodSync(dir, passable ? 0o711 : 0o700);
    for (const part of ["logs", "blobs", "results"]) makeFolder(join(dir, part));
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Ended(EXIT.usage, `The data folder ${dir} cannot be used: ${reasonOf(error)}. Choose another with --data-dir or SLOWBOAT_DATA_DIR.`);
  }
  return viewDataFolder(dir);
}

/** Makes a folder and those above it. Node's own recursive way does not come back where the system refuses with ENOENT, as in /proc. */
function makeFolder(dir: string): void {
  if (existsSync(dir)) {
    if (!statSync(dir).isDirectory()) throw Object.assign(new Error(`${dir} is no folder`), { code: "ENOTDIR" });
    return;
  }
  if (dirname(dir) !== dir) makeFolder(dirname(dir));
  mkdirSync(dir, { mode: 0o700 });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this user has no permission",
  EPERM: "this user has no permission",
  EROFS: "it lies on a file system that is read-only",
  ENOTDIR: "it, or a part of its path, is a file",
  EEXIST: "it, or a part of its path, is a file",
  ENOENT: "no folder can be made there",
  ENOSPC: "the disk is full",
};

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ""] ?? message;
};

/**
 * Keeps a folder to one kind of provider: the emulator's clock runs ahead and its answers are made up, so neither may meet real work.
 * Throws the command that mends it. The first start decides.
 */
export function claimFor(folder: DataFolder, kind: "emulated" | "real"): void {
  const held = folder.read("provider")?.trim();
  if (held === undefined) folder.write("provider", `${kind}\n`);
  else if (held !== kind)
    throw new Ended(
      EXIT.usage,
      kind === "real"
        ? `${folder.dir} holds the emulator's work, whose clock runs ahead and whose answers are made up; a provider key is set now. Keep real work apart: npm start -- --data-dir ${folder.dir}-real`
        : `${folder.dir} holds the work of a real provider, and no provider key is set. Set it, or use the emulator elsewhere: npm start -- --data-dir ${folder.dir}-emulated`,
    );
}

/** The data folder as it is, which may be missing: what a command looks into. */
export function viewDataFolder(dir: string): DataFolder {
  const at = (...parts: string[]): string => join(dir, ...parts);
  const read = (name: string): string | null => (existsSync(at(name)) ? readFileSync(at(name), "utf8") : null);
  const write = (name: string, text: string): void => {
    const aside = at(`${name}.${process.pid}.new`);
    writeFileSync(aside, text, { mode: 0o600 });
    renameSync(aside, at(name));
  };
  const secret = (): string => {
    const known = read("secret")?.trim();
    if (known !== undefined) {
      if (!/^[0-9a-f]{64}$/.test(known))
        throw new Error(`${at("secret")} does not hold 64 hex digits; restore it from a backup: stored keys depend on it.`);
      return known;
    }
    write("secret", `${randomBytes(32).toString("hex")}\n`);
    return secret();
  };
  return { dir, at, read, write, secret };
}

interface Owner {
  readonly pid: number;
  readonly birth: string;
  readonly children: readonly { readonly pid: number; readonly birth: string }[];
}

/** The supervisor's hold on its folder. */
export interface FolderLock {
  /** Processes of a supervisor that was killed, to be waited for. */
  readonly orphans: readonly { readonly pid: number; readonly birth: string }[];
  /** Writes down the running children, so that the next owner knows whom to wait for. */
  note(pids: readonly number[]): void;
  release(): void;
}

/** Takes the folder, or throws a text for the user when a live supervisor holds it. A dead one's lock is replaced. */
export function lockFolder(folder: DataFolder): FolderLock {
  const path = folder.at("supervisor.lock");
  const us = { pid: process.pid, birth: birthOf(process.pid) };
  const save = (children: Owner["children"]): string => JSON.stringify({ ...us, children });
  const aside = folder.at(`supervisor.lock.${process.pid}`);
  let orphans: Owner["children"] = [];
  for (let tries = 0; ; tries++) {
    const held = folder.read("supervisor.lock");
    if (held !== null) {
      const owner = parseOwner(held);
      if (owner && isSame(owner))
        throw new Error(`Slowboat already runs on ${folder.dir} (process ${owner.pid}). Stop it, or choose another folder with --data-dir.`);
      orphans = owner?.children.filter(isSame) ?? [];
      removeStale(path, `${aside}.stale`, held);
    }
    // link() fails where the name exists: of two that start at once, one wins.
    writeFileSync(aside, save(orphans), { mode: 0o600 });
    try {
      linkSync(aside, path);
      break;
    } catch (error) {
      if (tries > 3) throw new Error(`${path} cannot be taken`, { cause: error });
    } finally {
      rmSync(aside, { force: true });
    }
  }
  return {
    orphans,
    note: (pids) => folder.write("supervisor.lock", save(pids.map((pid) => ({ pid, birth: birthOf(pid) })))),
    release: () => rmSync(path, { force: true }),
  };
}

/** Removes the lock that was read as stale, and no other: where a faster starter has replaced it, that one is put back. */
function removeStale(path: string, aside: string, held: string): void {
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== held) linkSync(aside, path);
  } catch (error) {
    if (!["ENOENT", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function parseOwner(held: string): Owner | null {
  try {
    return JSON.parse(held) as Owner;
  } catch {
    return null; // cut short by a crash: nobody lives behind it
  }
}

/** True while the very process that was noted lives; its number alone may long belong to another. */
export function isSame(known: { readonly pid: number; readonly birth: string }): boolean {
  try {
    process.kill(known.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return birthOf(known.pid) === known.birth;
}

/** Clock ticks since boot at which a process began; empty where the system does not tell. One that has ended and was never waited for is gone. */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "gone" : (fields[19] ?? "");
  } catch {
    return "";
  }
}
