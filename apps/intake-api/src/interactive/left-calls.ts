import { createHash } from "node:crypto";
import type { InteractiveReply } from "@slowboat/dispatch";

/** How long the reply to a call is kept for the retry of the caller who left it (machine ms); the clients retry within eight seconds. */
const KEPT_MS = 60_000;
const LEFT_MAX = 256;
/** A longer answer is not kept. */
const ANSWER_CHARS = 1024 * 1024;

/** Headers that make a call another one, beside its body. */
const TELLING = [
  "anthropic-version",
  "anthropic-beta",
  "openai-beta",
  "slowboat-deadline",
  "offpeak-deadline",
  "slowboat-allow",
  "slowboat-deny",
  "slowboat-cache",
  "slowboat-fallbacks",
  "idempotency-key",
];

/** What a retry has in common with the call that it repeats. */
export function callPrint(call: { readonly keyId: string; readonly endpoint: string; readonly headers: Headers; readonly body: string }): string {
  const hash = createHash("sha256").update(JSON.stringify([call.keyId, call.endpoint, ...TELLING.map((name) => call.headers.get(name))]));
  return hash.update(call.body).digest("base64");
}

/** True for a request that the official clients send again by themselves, which they say in a header. */
export const isClientRetry = (headers: Headers): boolean => Number(headers.get("x-stainless-retry-count") ?? 0) > 0;

/** Calls whose callers hung up before they were answered. What the provider says to them is paid for, so the callers' own retries get it. */
export interface LeftCalls {
  /**
   * Keeps the reply for a retry once the caller hangs up. `print` is asked for only then. Once a stream is handed out it is not kept:
   * the clients do not retry what has begun.
   */
  watch(print: () => string, signal: AbortSignal, reply: Promise<InteractiveReply>): void;
  /** The reply of a left call, once; `null` where none was left, and where it is one that a retry is right to ask for again. */
  take(print: string): Promise<InteractiveReply | null>;
}

/** The left calls of one process. */
export function leftCalls(): LeftCalls {
  const left = new Map<string, Promise<InteractiveReply | null>>();
  const keep = (print: string, reply: Promise<InteractiveReply>): void => {
    // A stream is read on even where there is no room to keep it.
    const kept = reply.then(heardOn, () => null);
    if (left.size >= LEFT_MAX) return;
    left.set(print, kept);
    const forget = (): void => {
      if (left.get(print) === kept) left.delete(print);
    };
    void kept.then((one) => (one === null ? forget() : setTimeout(forget, KEPT_MS).unref()));
  };
  return {
    watch: (print, signal, reply) => {
      const onLeft = (): void => keep(print(), reply);
      if (signal.aborted) return onLeft();
      signal.addEventListener("abort", onLeft, { once: true });
      // An answer that is being written may still be lost; a stream is its reader's from here on.
      void reply.then(
        (one) => one.kind === "stream" && signal.removeEventListener("abort", onLeft),
        () => signal.removeEventListener("abort", onLeft),
      );
    },
    take: async (print) => {
      const kept = left.get(print);
      left.delete(print);
      return (await kept) ?? null;
    },
  };
}

/**
 * What a retry may be given of a reply: an answer, a fault after which nothing may be sent again, or a stream. Its reading begins here, so
 * that what is paid for is heard to its end; the reply buffers it, and lets it go when nobody comes.
 */
function heardOn(reply: InteractiveReply): InteractiveReply | null {
  switch (reply.kind) {
    case "failed":
      return reply.fault.retryable ? null : reply;
    case "answer":
      return reply.statusCode < 400 && reply.body.length <= ANSWER_CHARS ? reply : null;
    case "stream": {
      const first = reply.events.next();
      first.catch(() => undefined);
      return { ...reply, events: from(first, reply.events) };
    }
  }
}

async function* from(
  first: Promise<IteratorResult<string, void>>,
  rest: AsyncGenerator<string, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  try {
    const head = await first;
    if (head.done) return;
    yield head.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}
