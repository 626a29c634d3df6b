import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { assert } from "@slowboat/kernel";
import { BlobMissing, type BlobStore, BlobTooLarge } from "./port.ts";

/** Where unfinished files lie; no key begins with it. */
const ASIDE = ".writing";
/** A file aside that nobody wrote to for so long has no writer, though a process may have its writer's number again. */
const STILL_MS = 3_600_000;
const READ_CHUNK_BYTES = 256 * 1024;
const KEY = /^[a-z0-9_][a-z0-9_.-]*(\/[a-z0-9_][a-z0-9_.-]*)*$/;
const KEY_CHARS = 512;

/**
 * Blobs as files under `root`, which one host's processes may share. What a killed writer left aside is removed here, at the
 * start; a file of a live writer is left alone.
 */
export async function diskBlobs(root: string): Promise<BlobStore> {
  const base = resolve(root);
  await mkdir(join(base, ASIDE), { recursive: true, mode: 0o700 });
  await sweep(join(base, ASIDE));
  const pathOf = (key: string): string => {
    assert(key.length <= KEY_CHARS && KEY.test(key), `blob key ${JSON.stringify(key)} is made of [a-z0-9/_.-]`);
    return join(base, key);
  };
  return {
    put: async (key, chunks, maxBytes) => {
      const path = pathOf(key);
      const aside = join(base, ASIDE, `${process.pid}-${randomUUID()}`);
      const handle = await open(aside, "wx", 0o600);
      try {
        const stored = await write(handle, chunks, maxBytes).finally(() => handle.close());
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await rename(aside, path);
        await syncFolder(dirname(path));
        return stored;
      } catch (error) {
        await rm(aside, { force: true });
        throw error;
      }
    },
    get: (key, range) => read(key, pathOf(key), range),
    size: async (key) => {
      try {
        return (await stat(pathOf(key))).size;
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    remove: (key) => rm(pathOf(key), { force: true }),
  };
}

/** Streams into the file; the last bytes are on the disk when this returns. */
async function write(handle: FileHandle, chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) throw new BlobTooLarge(`more than ${maxBytes} bytes`);
    hash.update(chunk);
    for (let at = 0; at < chunk.byteLength; ) at += (await handle.write(chunk, at)).bytesWritten;
  }
  await handle.sync();
  return { sizeBytes, sha256: hash.digest("hex") };
}

async function* read(key: string, path: string, range?: { readonly start: number; readonly end: number }): AsyncGenerator<Uint8Array> {
  assert(!range || (range.start >= 0 && range.start <= range.end), "a range is [start, end)");
  if (range && range.start === range.end) return;
  const stream = createReadStream(path, { highWaterMark: READ_CHUNK_BYTES, ...(range ? { start: range.start, end: range.end - 1 } : {}) });
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    if (isMissing(error)) throw new BlobMissing(key, { cause: error });
    throw error;
  } finally {
    stream.destroy();
  }
}

/** A rename is only safe from a power cut once its folder is synced. Some file systems refuse that; they order it themselves. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync().catch(() => undefined);
  await folder.close();
}

async function sweep(aside: string): Promise<void> {
  for (const name of await readdir(aside)) {
    const path = join(aside, name);
    const touchedMs = (await stat(path).catch(() => null))?.mtimeMs ?? 0;
    if (isAlive(Number(name.split("-")[0])) && touchedMs > Date.now() - STILL_MS) continue;
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const isMissing = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
