import type { ContentWriter } from "../keep.ts";
import { openAiRefuses } from "../model/errors.ts";

/** A received form: its plain fields, and of its one file the name, the size and the count of line feeds. */
export interface Upload {
  readonly fields: ReadonlyMap<string, string>;
  readonly filename: string | null;
  readonly bytes: number;
  readonly lines: number;
}

const FIELD_BYTES = 1 << 16;
const HEADER_BYTES = 1 << 14;
const HEADER_END = Buffer.from("\r\n\r\n");

/**
 * Reads `multipart/form-data` (RFC 7578) as it arrives and hands the content of the part named `file` on, so that a large upload
 * is never in memory as a whole. Refuses a form that is not one, and a file above `maxBytes` with 413.
 */
export async function readUpload(request: Request, writer: ContentWriter, maxBytes: number): Promise<Upload> {
  const match = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(request.headers.get("content-type") ?? "");
  const boundary = match?.[1] ?? match?.[2];
  try {
    if (boundary === undefined || request.body === null) throw openAiRefuses("Could not parse multipart form");
    const parts = collector(writer, maxBytes);
    const feed = splitter(boundary, parts);
    let ended = false;
    for await (const chunk of request.body) ended = feed(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (!ended) throw openAiRefuses("Could not parse multipart form");
    return parts.upload();
  } finally {
    writer.end();
  }
}

interface Parts {
  open(head: string): void;
  data(bytes: Buffer): void;
  close(): void;
}

/** Cuts the byte stream at its boundaries; the returned function takes a chunk and says whether the closing boundary was seen. */
function splitter(boundary: string, parts: Parts): (chunk: Buffer) => boolean {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // A line feed before the first boundary makes it look like every other.
  let rest: Buffer = Buffer.from("\r\n");
  let ended = false;
  const step = (): boolean => {
    const at = rest.indexOf(delimiter);
    if (at < 0) {
      // What could be the beginning of a boundary waits for the next chunk.
      const safe = rest.length - delimiter.length;
      if (safe > 0) {
        parts.data(rest.subarray(0, safe));
        rest = rest.subarray(safe);
      }
      return false;
    }
    const after = at + delimiter.length;
    if (rest.length < after + 2) return false;
    ended = rest.toString("latin1", after, after + 2) === "--";
    const headEnd = ended ? after : rest.indexOf(HEADER_END, after);
    if (headEnd < 0) {
      if (rest.length - after > HEADER_BYTES) throw openAiRefuses("Could not parse multipart form");
      return false;
    }
    parts.data(rest.subarray(0, at));
    parts.close();
    if (!ended) parts.open(rest.toString("utf8", after, headEnd));
    rest = rest.subarray(headEnd + HEADER_END.length);
    return !ended;
  };
  return (chunk) => {
    if (ended) return true;
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (step());
    return ended;
  };
}

/** Keeps fields, passes the file's bytes on. */
function collector(writer: ContentWriter, maxBytes: number): Parts & { upload(): Upload } {
  const fields = new Map<string, string>();
  let filename: string | null = null;
  let bytes = 0;
  let lines = 0;
  let part: { name: string; isFile: boolean; text: Buffer[]; size: number } | null = null;
  return {
    open: (head) => {
      const name = /[;\s]name="([^"]*)"/i.exec(head)?.[1] ?? "";
      const file = /filename="([^"]*)"/i.exec(head)?.[1];
      part = { name, isFile: name === "file" && file !== undefined, text: [], size: 0 };
      if (part.isFile) filename = file ?? "";
    },
    data: (data) => {
      if (part === null || data.length === 0) return;
      if (!part.isFile) {
        part.size += data.length;
        if (part.size <= FIELD_BYTES) part.text.push(Buffer.from(data));
        return;
      }
      bytes += data.length;
      if (bytes > maxBytes) throw openAiRefuses(`File is too large: at most ${maxBytes} bytes.`, "file", null, 413);
      for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) lines++;
      writer.write(data);
    },
    close: () => {
      if (part !== null && !part.isFile) fields.set(part.name, Buffer.concat(part.text).toString("utf8"));
      part = null;
    },
    upload: () => ({ fields, filename, bytes, lines }),
  };
}
