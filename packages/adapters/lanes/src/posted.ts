import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";

/** A reply as it comes off the socket. */
export interface RawReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: RawBody;
}

/** Bytes that are held for a reader who is slow, before the socket is not read on. */
const HELD_BYTES = 64 * 1024;

/**
 * Sends a request and gives back its reply as soon as the headers are there. `onSent` is told just before the request is written to a connected
 * socket. The caller hears of an abort at once; the driver once the request has a socket. Rejects with the driver's error or the abort's reason.
 *
 * The driver's own `request` makes a stream of every body, whose objects stay from each young collection to the next full one.
 */
export function posted(
  agent: Dispatcher,
  options: Dispatcher.DispatchOptions,
  { signal, onSent }: { readonly signal: AbortSignal; readonly onSent: () => void },
): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    agent.dispatch(options, new Exchange(signal, onSent, resolve, reject));
  });
}

/** One request at the driver, and what comes back for it. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #signal: AbortSignal;
  readonly #onSent: () => void;
  readonly #resolve: (reply: RawReply) => void;
  readonly #reject: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #body: RawBody | null = null;

  constructor(signal: AbortSignal, onSent: () => void, resolve: (reply: RawReply) => void, reject: (error: unknown) => void) {
    this.#signal = signal;
    this.#onSent = onSent;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => {
    this.#reject(this.#signal.reason);
    this.#controller?.abort(this.#signal.reason as Error);
  };

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // A request that was called off while it waited for a socket ends here, unwritten.
    if (this.#signal.aborted) controller.abort(this.#signal.reason as Error);
    else this.#onSent();
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // What comes before the reply says nothing of it.
    if (status < 200) return;
    this.#body = new RawBody(controller);
    this.#resolve({ status, headers, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, part: Buffer): void {
    this.#body?.push(part);
  }

  onResponseEnd(): void {
    this.#over();
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#over();
    this.#reject(error);
    this.#body?.fail(error);
  }

  #over(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

/** The bytes of a reply, read once: whole, or part by part at the reader's pace. A reader who leaves early closes the connection. */
export class RawBody implements AsyncIterable<Uint8Array> {
  readonly #controller: Dispatcher.DispatchController;
  #parts: Buffer[] = [];
  #held = 0;
  /** Nobody minds how much of it is held. */
  #whole = false;
  #over = false;
  #error: unknown = null;
  #wake: (() => void) | null = null;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  push(part: Buffer): void {
    this.#parts.push(part);
    this.#held += part.length;
    if (this.#whole) return;
    if (this.#held >= HELD_BYTES) this.#controller.pause();
    this.#tell();
  }

  end(): void {
    this.#over = true;
    this.#tell();
  }

  fail(error: unknown): void {
    this.#error = error;
    this.end();
  }

  /** All of it, without a mark of byte order at its beginning; throws where the connection broke off. */
  async text(): Promise<string> {
    this.#whole = true;
    if (this.#controller.paused) this.#controller.resume();
    if (!this.#over) await this.#more();
    if (this.#error !== null) throw this.#error;
    const [first] = this.#parts;
    const bytes = first !== undefined && this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes.toString("utf8", hasMark(bytes) ? 3 : 0);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const part = this.#parts.shift();
        if (part !== undefined) {
          this.#held -= part.length;
          if (this.#controller.paused && this.#held < HELD_BYTES) this.#controller.resume();
          yield part;
        } else if (this.#error !== null) throw this.#error;
        else if (this.#over) return;
        else await this.#more();
      }
    } finally {
      this.leave();
    }
  }

  /** Nobody reads on: closes the connection, unless all of it has come. */
  leave(): void {
    if (!this.#over) this.#controller.abort(new Error("the reply was not read to its end"));
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #tell(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

const hasMark = (bytes: Buffer): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
