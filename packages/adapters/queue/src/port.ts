import type { Payload, QueueName } from "./names.ts";

/** The bell: wakes whoever consumes. At-least-once and lossy by contract; nothing is remembered here. */
export interface Queue {
  readonly backend: "postgres" | "redis";
  /** Rings once for each payload, in one round trip. With `once`, a payload that already waits or is handled is not rung again. */
  ring<N extends QueueName>(name: N, payloads: readonly Payload<N>[], options?: { readonly once?: boolean }): Promise<void>;
  /** Handles payloads until `stop`; a handler that throws is run again by the sweep, not by the queue. */
  consume<N extends QueueName>(name: N, concurrency: number, handler: (payload: Payload<N>, signal: AbortSignal) => Promise<void>): Promise<Consumer>;
  /** Waiting and active payloads. */
  depth(name: QueueName): Promise<number>;
  close(): Promise<void>;
}

/** A running consumer. `stop` waits for handlers in flight at most `timeoutMs`, then aborts them. */
export interface Consumer {
  stop(timeoutMs?: number): Promise<void>;
}
