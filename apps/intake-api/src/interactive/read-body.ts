import type { IncomingMessage } from "node:http";
import { depthOf, type Fault, fault, LIMITS } from "@slowboat/kernel";
import type { Context } from "hono";
import type { BodyShare } from "../http/body-budget.ts";
import type { AppEnv } from "../http/env.ts";

/** A JSON object as the caller wrote it, and as a value to look at. The text is what goes on; the value is never re-serialised. */
export interface JsonBody {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A client that stops sending in the middle of a body holds its connection at most this long. */
const IDLE_MS = 30_000;

const silent = (idleMs: number): Fault => fault("body-timeout", { message: `The request body stopped arriving for ${idleMs / 1000} seconds.` });
const broken = (cause?: unknown): Fault => fault("invalid-request", { message: "The request body broke off.", cause });
const tooLarge = (maxBytes: number): Fault => fault("body-too-large", { message: `The request body may have at most ${maxBytes} bytes.` });

/** A body whose length is not announced takes its share of the budget in steps of this size. */
const STEP_BYTES = 1024 * 1024;

/**
 * Reads a request body of at most `maxBytes`; a larger one is refused by its announced length, or as soon as it passes the bound, and one
 * that the process has no room for likewise.
 */
export async function readJsonBody(c: Context<AppEnv>, maxBytes: number = LIMITS.requestBodyBytes): Promise<JsonBody> {
  const { incoming } = c.env;
  const announced = Number(incoming.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  c.get("body").set(announced);
  return jsonBody(arrivedBody(incoming, announced) ?? (await wholeBody(incoming, { maxBytes, announced, share: c.get("body"), idleMs: IDLE_MS })));
}

/** A body that came with its headers, as most do, is there by now: nobody has to wait for it. */
function arrivedBody(incoming: IncomingMessage, announced: number): Uint8Array | null {
  if (incoming.destroyed || !incoming.complete || announced === 0 || incoming.readableLength !== announced) return null;
  return incoming.read() as Buffer | null;
}

/** How a body is read: its bound, what it announced, its share of the budget, and the longest silence in it. */
export interface BodyReading {
  readonly maxBytes: number;
  readonly announced: number;
  readonly share: BodyShare;
  readonly idleMs: number;
}

/** The body from the socket, without a web stream in between; too long a silence ends it with a fault. */
export function wholeBody(incoming: IncomingMessage, { maxBytes, announced, share, idleMs }: BodyReading): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let shared = announced;
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
    const silence = setTimeout(() => refuse(silent(idleMs)), idleMs);
    const onData = (chunk: Buffer): void => {
      size += chunk.byteLength;
      if (size > maxBytes) {
        refuse(tooLarge(maxBytes));
        return;
      }
      if (size > shared) {
        shared = Math.ceil(size / STEP_BYTES) * STEP_BYTES;
        try {
          share.set(shared);
        } catch (full) {
          refuse(full as Fault);
          return;
        }
      }
      parts.push(chunk);
      silence.refresh();
    };
    const onEnd = (): void => {
      leave();
      resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts));
    };
    const onBroken = (): void => refuse(broken());
    if (incoming.destroyed) onBroken();
    else incoming.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

/** The body in pieces as they arrive; a silence longer than `idleMs`, or a client that leaves, ends it with a fault. */
export async function* bodyChunks(request: Request, idleMs: number = IDLE_MS): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(silent(idleMs)), idleMs);
      });
      const read = reader.read().catch((cause: unknown) => Promise.reject(broken(cause)));
      const next = await Promise.race([read, silence]).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

// A byte order mark is no JSON, here as in a line of a batch file and at the providers.
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

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
