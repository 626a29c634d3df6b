import { Agent, DecoratorHandler, type Dispatcher, fetch as undiciFetch } from "undici";
import { BOUNDS } from "./bounds.ts";

/** What the provider said instead of an answer, kept raw: the SDKs would parse it and lose digits. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers | null;
  readonly text: string;
}

/**
 * One HTTP exchange, watched from below the SDK: whether a request reached a socket (before that nothing can have been
 * charged) and what a refusal said word for word. The SDK gets `fetch`.
 */
export interface Wire {
  readonly fetch: typeof fetch;
  /** True from the moment the request is written to a connected socket. */
  sent: boolean;
  refusal: Refusal | null;
}

/** Sockets to the providers. Silence is bounded by the callers' own timeouts, which know a flex call from a poll. */
export const createAgent = (): Agent =>
  new Agent({
    connect: { timeout: BOUNDS.connectMs },
    connections: BOUNDS.connections,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  });

class SentHandler extends DecoratorHandler {
  readonly #onSent: () => void;
  constructor(handler: Dispatcher.DispatchHandler, onSent: () => void) {
    super(handler);
    this.#onSent = onSent;
  }
  // The base class is typed without its methods; undici calls this one just before it writes the request.
  onRequestStart(...args: unknown[]): void {
    this.#onSent();
    const base = DecoratorHandler.prototype as unknown as { onRequestStart(...args: unknown[]): void };
    base.onRequestStart.apply(this, args);
  }
}

/** Opens the watch over one exchange on `agent`. */
export function openWire(agent: Agent): Wire {
  const wire: { fetch: typeof fetch; sent: boolean; refusal: Refusal | null } = { fetch: watched, sent: false, refusal: null };
  const dispatcher = agent.compose(
    (dispatch) => (options, handler) =>
      dispatch(
        options,
        new SentHandler(handler, () => {
          wire.sent = true;
        }),
      ),
  );
  async function watched(input: unknown, init?: unknown): Promise<Response> {
    const options = { ...(init as object), dispatcher } as Parameters<typeof undiciFetch>[1];
    const response = (await undiciFetch(input as Parameters<typeof undiciFetch>[0], options)) as unknown as Response;
    if (response.ok) return response;
    // The status alone decides most; a refusal whose text breaks off is still a refusal.
    const text = await readText(response, BOUNDS.errorChars).catch(() => "");
    wire.refusal = { status: response.status, headers: response.headers, text };
    return new Response(response.status === 304 ? null : text, { status: response.status, headers: plainHeaders(response.headers) });
  }
  return wire;
}

/** The headers without those that spoke of the encoded body. */
function plainHeaders(headers: Headers): [string, string][] {
  return [...headers].filter(([name]) => name !== "content-length" && name !== "content-encoding" && name !== "transfer-encoding");
}

/** The whole body as text; throws when it is longer than `maxChars` or breaks off. */
export async function readText(response: Response, maxChars: number): Promise<string> {
  let text = "";
  for await (const part of textOf(response)) {
    text += part;
    if (text.length > maxChars) throw new Error(`the answer is longer than ${maxChars} characters`);
  }
  return text;
}

/** The body's decoded text as it arrives; a broken connection throws. Leaving early closes the connection. */
export async function* textOf(response: Response): AsyncGenerator<string> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    const part = decoder.decode(bytes, { stream: true });
    if (part !== "") yield part;
  }
  const rest = decoder.decode();
  if (rest !== "") yield rest;
}

/** A time limit joined with the caller's signal. `clear` must be called; it also lets go of the caller's signal. */
export interface Limit {
  readonly signal: AbortSignal;
  timedOut(): boolean;
  /** Starts the time anew. */
  renew(ms: number): void;
  /** Stops the time until `renew`; the caller's signal still counts. */
  pause(): void;
  clear(): void;
}

/** Aborts after `ms`, or with `parent`. */
export function limit(parent: AbortSignal, ms: number): Limit {
  const controller = new AbortController();
  let late = false;
  const onTime = (): void => {
    late = true;
    controller.abort(new Error("timed out"));
  };
  const onParent = (): void => controller.abort(parent.reason);
  let timer = setTimeout(onTime, ms);
  if (parent.aborted) onParent();
  else parent.addEventListener("abort", onParent, { once: true });
  return {
    signal: controller.signal,
    timedOut: () => late,
    renew: (next) => {
      clearTimeout(timer);
      timer = setTimeout(onTime, next);
    },
    pause: () => clearTimeout(timer),
    clear: () => {
      clearTimeout(timer);
      parent.removeEventListener("abort", onParent);
    },
  };
}
