import type { IncomingMessage } from "node:http";
import { depthOf, type Fault, fault, LIMITS } from "@slowboat/kernel";

/** A JSON object as the caller wrote it, and as a value to look at. The text is what goes on; the value is never re-serialised. */
export interface JsonBody {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A client that stops sending in the middle of a body holds its connection at most this long. */
const IDLE_MS = 30_000;

const silent = (): Fault => fault("invalid-request", { message: `The request body stopped arriving for ${IDLE_MS / 1000} seconds.` });
const tooLarge = (maxBytes: number): Fault => fault("body-too-large", { message: `The request body may have at most ${maxBytes} bytes.` });

/** Reads a request body of at most `maxBytes`; a larger one is refused by its announced length, or as soon as it passes the bound. */
export async function readJsonBody(incoming: IncomingMessage, maxBytes: number = LIMITS.requestBodyBytes): Promise<JsonBody> {
  if (Number(incoming.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return jsonBody(await wholeBody(incoming, maxBytes));
}

/** The body from the socket, without a web stream in between; a silence longer than 30 s ends it with a fault. */
function wholeBody(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const leave = (): void => {
      clearTimeout(silence);
      incoming.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken);
    };
    const refuse = (err: Fault): void => {
      leave();
      // What still comes is not kept; the server reads it away or closes the connection.
      incoming.pause();
      reject(err);
    };
    const silence = setTimeout(() => refuse(silent()), IDLE_MS);
    const onData = (chunk: Buffer): void => {
      size += chunk.byteLength;
      if (size > maxBytes) {
        refuse(tooLarge(maxBytes));
        return;
      }
      parts.push(chunk);
      silence.refresh();
    };
    const onEnd = (): void => {
      leave();
      resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts));
    };
    const onBroken = (): void => refuse(fault("invalid-request", { message: "The request body broke off." }));
    if (incoming.destroyed) onBroken();
    else incoming.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

/** The body in pieces as they arrive; a silence longer than 30 s ends it with a fault. */
export async function* bodyChunks(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(silent()), IDLE_MS);
      });
      const next = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Checks that bytes are one JSON object in UTF-8, nested no deeper than is safe. */
function jsonBody(bytes: Uint8Array): JsonBody {
  let text: string;
  let value: unknown;
  try {
    text = UTF8.decode(bytes);
    if (depthOf(text) > LIMITS.jsonDepth) throw fault("json-too-deep", { message: `The JSON is nested deeper than ${LIMITS.jsonDepth} levels.` });
    value = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof Error && cause.name === "Fault") throw cause;
    throw fault("invalid-json", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fault("invalid-request", { message: "The request body must be a JSON object." });
  }
  return { text, value: value as Record<string, unknown> };
}
