import { depthOf, fault, LIMITS } from "@slowboat/kernel";

/** A JSON object as the caller wrote it, and as a value to look at. The text is what goes on; the value is never re-serialised. */
export interface JsonBody {
  readonly text: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** A client that stops sending in the middle of a body holds its connection at most this long. */
const IDLE_MS = 30_000;

/** Reads a request body of at most `maxBytes`; a larger one is refused by its announced length, or as soon as it passes the bound. */
export async function readJsonBody(request: Request, maxBytes: number = LIMITS.requestBodyBytes): Promise<JsonBody> {
  const tooLarge = (): never => {
    throw fault("body-too-large", { message: `The request body may have at most ${maxBytes} bytes.` });
  };
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > maxBytes) tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(request)) {
    size += chunk.byteLength;
    if (size > maxBytes) tooLarge();
    parts.push(chunk);
  }
  return jsonBody(Buffer.concat(parts));
}

/** The body in pieces as they arrive; a silence longer than 30 s ends it with a fault. */
export async function* bodyChunks(request: Request): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(fault("invalid-request", { message: `The request body stopped arriving for ${IDLE_MS / 1000} seconds.` })),
          IDLE_MS,
        );
      });
      const next = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Checks that bytes are one JSON object in UTF-8, nested no deeper than is safe. */
function jsonBody(bytes: Uint8Array): JsonBody {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
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
