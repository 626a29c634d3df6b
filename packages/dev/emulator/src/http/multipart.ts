import { openAiRefuses } from "../model/errors.ts";
import type { ContentWriter } from "../keep.ts";

/** A received form: its plain fields, and of its one file the name, the size and the count of line feeds. */
export interface Upload {
  readonly fields: ReadonlyMap<string, string>;
  readonly filename: string | null;
  readonly bytes: number;
  readonly lines: number;
}

const FIELD_BYTES = 1 << 16;
const HEADER_END = Buffer.from("\r\n\r\n");

/**
 * Reads `multipart/form-data` (RFC 7578) as it arrives and hands the content of the part named `file` on, so that a large upload
 * is never in memory as a whole. Refuses a form that is not one, and a file above `maxBytes` with 413.
 */
export async function readUpload(request: Request, writer: ContentWriter, maxBytes: number): Promise<Upload> {
  const match = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(request.headers.get("content-type") ?? "");
  const boundary = match?.[1] ?? match?.[2];
  const body = request.body;
  if (boundary === undefined || body === null) {
    writer.end();
    throw openAiRefuses("Could not parse multipart form");
  }
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const fields = new Map<string, string>();
  let filename: string | null = null;
  let lines = 0;
  let fileBytes = 0;
  let part: { name: string; isFile: boolean; text: Buffer[]; size: number } | null = null;
  // A line feed before the first boundary makes it look like every other.
  let rest: Buffer = Buffer.from("\r\n");
  const take = (data: Buffer): void => {
    if (part === null || data.length === 0) return;
    part.size += data.length;
    if (!part.isFile) {
      if (part.size <= FIELD_BYTES) part.text.push(Buffer.from(data));
      return;
    }
    fileBytes += data.length;
    if (fileBytes > maxBytes) throw openAiRefuses(`File is too large: at most ${maxBytes} bytes.`, "file", null, 413);
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) lines++;
    writer.write(data);
  };
  const finish = (): void => {
    if (part !== null && !part.isFile) fields.set(part.name, Buffer.concat(part.text).toString("utf8"));
    part = null;
  };
  let ended = false;
  const step = (): boolean => {
    const at = rest.indexOf(delimiter);
    if (at < 0) {
      const safe = rest.length - delimiter.length;
      if (safe > 0) {
        take(rest.subarray(0, safe));
        rest = rest.subarray(safe);
      }
      return false;
    }
    const after = at + delimiter.length;
    if (rest.length < after + 2) return false;
    if (rest.subarray(after, after + 2).toString("latin1") === "--") {
      take(rest.subarray(0, at));
      finish();
      ended = true;
      return false;
    }
    const headEnd = rest.indexOf(HEADER_END, after);
    if (headEnd < 0) return false;
    take(rest.subarray(0, at));
    finish();
    const head = rest.subarray(after, headEnd).toString("utf8");
    const name = /[;\s]name="([^"]*)"/i.exec(head)?.[1] ?? "";
    const file = /filename="([^"]*)"/i.exec(head)?.[1];
    part = { name, isFile: name === "file" && file !== undefined, text: [], size: 0 };
    if (part.isFile) filename = file ?? "";
    rest = rest.subarray(headEnd + HEADER_END.length);
    return true;
  };
  try {
    for await (const chunk of body) {
      rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
      while (!ended && step());
    }
  } finally {
    writer.end();
  }
  if (!ended) throw openAiRefuses("Could not parse multipart form");
  return { fields, filename, bytes: fileBytes, lines };
}
