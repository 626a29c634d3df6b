import { fault } from "@slowboat/kernel";

/** One part of a form. Its content streams; what is left unread when the next part is asked for is passed over. */
export interface Part {
  readonly name: string;
  /** `null` for a plain field. */
  readonly filename: string | null;
  readonly content: AsyncGenerator<Uint8Array>;
}

const HEADER_BYTES = 16 * 1024;
const PARTS = 64;
const CRLF = "\r\n";
const END_OF_HEADERS = Buffer.from("\r\n\r\n");

const broken = (why: string): never => {
  throw fault("invalid-request", { message: `The multipart form cannot be read: ${why}.` });
};

/** The boundary of a multipart form, or a fault when the content type is another. */
export function boundaryOf(contentType: string | undefined): string {
  const match = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? "");
  const boundary = match?.[1] ?? match?.[2];
  return boundary ?? broken("the content type is not multipart/form-data with a boundary");
}

/**
 * Reads a multipart form (RFC 7578) as a stream of parts, holding one chunk and a delimiter's length of bytes at a time. Headers and
 * the number of parts are bounded; content is not, its reader bounds it.
 */
export async function* readMultipart(chunks: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<Part> {
  const source = chunks[Symbol.asyncIterator]();
  const delimiter = Buffer.from(`${CRLF}--${boundary}`);
  // The first delimiter has no line break before it: one is lent.
  let held: Buffer = Buffer.from(CRLF);

  const pull = async (): Promise<void> => {
    const next = await source.next();
    if (next.done) broken("it ends in the middle");
    else held = held.length === 0 ? Buffer.from(next.value) : Buffer.concat([held, next.value]);
  };

  const content = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = held.indexOf(delimiter);
      if (at >= 0) {
        const last = held.subarray(0, at);
        held = held.subarray(at + delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      // The tail may be the start of a delimiter: it waits for what follows.
      const sure = held.length - delimiter.length + 1;
      if (sure > 0) {
        const piece = held.subarray(0, sure);
        held = held.subarray(sure);
        yield piece;
      }
      await pull();
    }
  };

  const headers = async (): Promise<{ name: string; filename: string | null } | null> => {
    while (held.length < 2) await pull();
    if (held.subarray(0, 2).toString() === "--") return null;
    let end = held.indexOf(END_OF_HEADERS);
    while (end < 0) {
      if (held.length > HEADER_BYTES) broken("the headers of a part are too long");
      await pull();
      end = held.indexOf(END_OF_HEADERS);
    }
    const text = held.subarray(0, end).toString("utf8");
    held = held.subarray(end + END_OF_HEADERS.length);
    return disposition(text);
  };

  try {
    for await (const _preamble of content());
    for (let count = 0; count < PARTS; count++) {
      const head = await headers();
      if (head === null) return;
      const body = content();
      yield { ...head, content: body };
      for await (const _unread of body);
    }
    broken(`it has more than ${PARTS} parts`);
  } finally {
    await source.return?.();
  }
}

function disposition(headers: string): { name: string; filename: string | null } {
  const line = headers.split(CRLF).find((one) => /^content-disposition\s*:/i.test(one)) ?? "";
  const name = parameter(line, "name");
  if (name === null) return broken("a part has no name");
  return { name, filename: parameter(line, "filename") };
}

/** A quoted parameter; quotes in it come as %22 (browsers, undici) or with a backslash. */
function parameter(line: string, key: string): string | null {
  const match = new RegExp(`[;\\s]${key}="((?:[^"\\\\]|\\\\.)*)"`, "i").exec(line) ?? new RegExp(`[;\\s]${key}=([^\\s;"]+)`, "i").exec(line);
  const raw = match?.[1];
  return raw === undefined ? null : raw.replace(/\\(["\\])/g, "$1").replace(/%22/g, '"');
}

/** A field's text, at most `maxBytes` of it. */
export async function fieldText(part: Part, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of part.content) {
    size += piece.length;
    if (size > maxBytes) broken(`the field '${part.name.slice(0, 64)}' is too long`);
    pieces.push(Uint8Array.from(piece));
  }
  return Buffer.concat(pieces).toString("utf8");
}
