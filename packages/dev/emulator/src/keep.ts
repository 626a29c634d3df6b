import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { apply, type World, type WorldEvent } from "./model/world.ts";

/** Writes one content from its beginning; `end` returns its bytes. */
export interface ContentWriter {
  write(chunk: string | Uint8Array): void;
  end(): number;
}

/** What survives the process: the journal of events and the contents of files. */
export interface Keep {
  /** Brings the world to where the journal left it. */
  replay(world: World): void;
  /** Appends one encoded event; it has reached the operating system when this returns. */
  append(line: string): void;
  writer(name: string): ContentWriter;
  read(name: string): AsyncIterable<Uint8Array>;
  has(name: string): boolean;
  /** How long a content is; 0 for one that is not there. */
  bytes(name: string): number;
  remove(name: string): void;
  close(): void;
}

const CHUNK_BYTES = 1 << 18;

/** Contents in memory and no journal: for tests that do not restart. */
export function memoryKeep(): Keep {
  const contents = new Map<string, Uint8Array[]>();
  return {
    replay: () => undefined,
    append: () => undefined,
    writer: (name) => {
      const chunks: Uint8Array[] = [];
      return {
        write: (chunk) => void chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk)),
        end: () => {
          contents.set(name, chunks);
          return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        },
      };
    },
    async *read(name) {
      yield* contents.get(name) ?? [];
    },
    has: (name) => contents.has(name),
    bytes: (name) => contents.get(name)?.reduce((sum, chunk) => sum + chunk.length, 0) ?? 0,
    remove: (name) => void contents.delete(name),
    close: () => undefined,
  };
}

/**
 * An append-only JSONL journal, contents in the folder `<journal>.files`. A line that was torn by a kill is cut off when
 * the journal is opened again: what it would have told was never answered.
 */
export function diskKeep(journal: string): Keep {
  const folder = `${journal}.files`;
  mkdirSync(dirname(journal), { recursive: true });
  mkdirSync(folder, { recursive: true });
  const fd = openSync(journal, "a+");
  let closed = false;
  const path = (name: string): string => join(folder, encodeURIComponent(name));
  return {
    replay: (world) => {
      const whole = replayFile(fd, (line) => apply(world, JSON.parse(line) as WorldEvent));
      if (whole < fstatSync(fd).size) ftruncateSync(fd, whole);
    },
    append: (line) => {
      // A descriptor's number may belong to another file once this one is closed.
      if (closed) throw new Error("the journal is closed");
      writeAll(fd, Buffer.from(`${line}\n`));
    },
    writer: (name) => fileWriter(path(name)),
    read: (name) => (existsSync(path(name)) ? createReadStream(path(name), { highWaterMark: CHUNK_BYTES }) : nothing()),
    has: (name) => existsSync(path(name)),
    bytes: (name) => statSync(path(name), { throwIfNoEntry: false })?.size ?? 0,
    remove: (name) => rmSync(path(name), { force: true }),
    close: () => {
      if (!closed) closeSync(fd);
      closed = true;
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function fileWriter(path: string): ContentWriter {
  const fd = openSync(path, "w");
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let bytes = 0;
  const flush = (): void => {
    writeAll(fd, Buffer.concat(waiting));
    waiting = [];
    waitingBytes = 0;
  };
  return {
    write: (chunk) => {
      const data = typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk);
      waiting.push(data);
      waitingBytes += data.length;
      bytes += data.length;
      if (waitingBytes >= CHUNK_BYTES) flush();
    },
    end: () => {
      flush();
      closeSync(fd);
      return bytes;
    },
  };
}

/** Calls back with each whole line; returns the bytes up to the end of the last whole one. */
function replayFile(fd: number, each: (line: string) => void): number {
  const chunk = Buffer.alloc(1 << 20);
  let rest: Uint8Array[] = [];
  let whole = 0;
  for (let at = 0; ; ) {
    const size = readSync(fd, chunk, 0, chunk.length, at);
    if (size === 0) return whole;
    let from = 0;
    for (let end = chunk.indexOf(10, 0); end >= 0 && end < size; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, end)]);
      rest = [];
      each(line.toString("utf8"));
      from = end + 1;
      whole = at + from;
      if (from >= size) break;
    }
    if (from < size) rest.push(Buffer.from(chunk.subarray(from, size)));
    at += size;
  }
}
