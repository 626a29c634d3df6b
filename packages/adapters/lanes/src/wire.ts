import { Agent, DecoratorHandler, type Dispatcher, fetch as undiciFetch } from "undici";
import { BOUNDS } from "./bounds.ts";
import { posted } from "./posted.ts";
import { type Reply, type ReplyHeaders, readText, replyOf } from "./reply.ts";

/** What the provider said instead of an answer, kept raw: the SDKs would parse it and lose digits. */
export interface Refusal {
  readonly status: number;
  readonly headers: ReplyHeaders | null;
  readonly text: string;
}

/** Where a request goes, cut once for all requests of a lane. */
export interface Target {
  readonly origin: string;
  readonly path: string;
}

/**
 * One HTTP exchange, watched from below: whether a request reached a socket (before that nothing can have been charged) and what a refusal
 * said word for word. The SDKs get `fetch`; a call, whose body goes out as it is, takes `post` and saves most of what an SDK and fetch cost.
 */
export interface Wire {
  readonly fetch: typeof fetch;
  /** Posts `body` as it is and gives back a 2xx reply; throws for any other. A redirect is not followed: it is a refusal. */
  post(
    target: Target,
    init: { readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly signal: AbortSignal },
  ): Promise<Reply>;
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
  onRequestStart(controller: Dispatcher.DispatchController, ...rest: unknown[]): void {
    const base = DecoratorHandler.prototype as unknown as { onRequestStart(...args: unknown[]): void };
    base.onRequestStart.call(this, controller, ...rest);
    // A request that was called off while it waited for a socket ends here, unwritten.
    if (!controller.aborted) this.#onSent();
  }
}

/** Opens the watch over one exchange on `agent`. `onHead` sees the reply to a post as soon as its headers are there. */
export function openWire(agent: Agent, onHead: (reply: Reply) => void = () => {}): Wire {
  const wire: Wire = { fetch: watched, post, sent: false, refusal: null };
  const onSent = (): void => {
    wire.sent = true;
  };
  // The status alone decides most; a refusal whose text breaks off is still a refusal.
  const refuse = async (reply: Reply): Promise<string> => {
    const text = await readText(reply, BOUNDS.errorChars).catch(() => "");
    wire.refusal = { status: reply.status, headers: reply.headers, text };
    return text;
  };
  async function post(target: Target, { headers, body, signal }: Parameters<Wire["post"]>[1]): Promise<Reply> {
    const reply = replyOf(await posted(agent, { ...target, method: "POST", headers, body }, { signal, onSent }));
    onHead(reply);
    if (isOk(reply)) return reply;
    await refuse(reply);
    throw new Error(`refused with status ${reply.status}`);
  }
  async function watched(input: unknown, init?: unknown): Promise<Response> {
    const dispatcher = agent.compose((dispatch) => (options, handler) => dispatch(options, new SentHandler(handler, onSent)));
    const options = { ...(init as object), dispatcher } as Parameters<typeof undiciFetch>[1];
    const response = (await undiciFetch(input as Parameters<typeof undiciFetch>[0], options)) as unknown as Response;
    if (response.ok) return response;
    const text = await refuse(response);
    return new Response(response.status === 304 ? null : text, { status: response.status, headers: plainHeaders(response.headers) });
  }
  return wire;
}

/** True for a 2xx. */
export const isOk = (reply: Reply): boolean => reply.status >= 200 && reply.status < 300;

/** The headers without those that spoke of the encoded body. */
function plainHeaders(headers: Headers): [string, string][] {
  return [...headers].filter(([name]) => name !== "content-length" && name !== "content-encoding" && name !== "transfer-encoding");
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
