import { pipeline, type Readable, type Transform } from "node:stream";
import { constants, createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { RawReply } from "./posted.ts";

/** Headers as a reply is asked for them; fetch's `Headers` are such. */
export interface ReplyHeaders extends Iterable<[string, string]> {
  get(name: string): string | null;
}

/** An answer as the lanes read it; fetch's `Response` is one. */
export interface Reply {
  readonly status: number;
  readonly headers: ReplyHeaders;
  /** Decoded; may be read once. */
  readonly body: AsyncIterable<Uint8Array> | null;
  text(): Promise<string>;
}

/** What a post accepts: text that repeats itself, as vectors and long answers do, shrinks to a fraction on the way. */
export const ACCEPT_ENCODING = "gzip, deflate, br";

const SOON = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI_SOON = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };
/** Events of a stream leave the decoder as soon as they are whole. */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip(SOON),
  "x-gzip": () => createGunzip(SOON),
  deflate: () => createInflate(SOON),
  br: () => createBrotliDecompress(BROTLI_SOON),
};

/**
 * A reply's headers. A generator written as a closure would have a hidden class of its own for every reply, which lives until the next full collection
 * and keeps with it all that the closure can reach.
 */
class RawHeaders implements ReplyHeaders {
  readonly #raw: RawReply["headers"];
  constructor(raw: RawReply["headers"]) {
    this.#raw = raw;
  }
  get(name: string): string | null {
    const value = this.#raw[name];
    return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
  }
  *[Symbol.iterator](): Generator<[string, string], void, undefined> {
    for (const name of Object.keys(this.#raw)) yield [name, this.get(name) ?? ""];
  }
}

/** The reply as the lanes read it: decoded. */
export function replyOf({ status, headers: raw, body }: RawReply): Reply {
  const headers = new RawHeaders(raw);
  const encoding = headers.get("content-encoding")?.toLowerCase() ?? "";
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (decoder === undefined) return { status, headers, body, text: () => body.text() };
  // A broken connection breaks the decoder too, whose reader then hears of it; and who leaves the decoder leaves the connection.
  const decoded: Readable = pipeline(body, decoder(), () => undefined);
  decoded.once("close", () => body.leave());
  const text = async (): Promise<string> => {
    let all = "";
    for await (const part of textOf({ body: decoded })) all += part;
    return all;
  };
  return { status, headers, body: decoded, text };
}

/** The whole body as text; throws when it is longer than `maxChars` or breaks off. */
export async function readText(reply: Reply, maxChars: number): Promise<string> {
  // HTTP holds an answer to the length that it announced.
  const announced = Number(reply.headers.get("content-length") ?? Number.NaN);
  if (announced <= maxChars && reply.headers.get("content-encoding") === null) return await reply.text();
  let text = "";
  for await (const part of textOf(reply)) {
    text += part;
    if (text.length > maxChars) throw new Error(`the answer is longer than ${maxChars} characters`);
  }
  return text;
}

/** The body's decoded text as it arrives; a broken connection throws. Leaving early closes the connection. */
export async function* textOf(reply: Pick<Reply, "body">): AsyncGenerator<string> {
  if (reply.body === null) return;
  const decoder = new TextDecoder();
  for await (const bytes of reply.body) {
    const part = decoder.decode(bytes, { stream: true });
    if (part !== "") yield part;
  }
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}
