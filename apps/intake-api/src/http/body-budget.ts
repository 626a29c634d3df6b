import { fault, LIMITS } from "@slowboat/kernel";

/** Bytes of request bodies that a process may hold at a time, over all its requests. */
export interface BodyBudget {
  /** A share of one request, empty at first. */
  open(): BodyShare;
}

/** What one request holds of the budget. */
export interface BodyShare {
  /** Makes the share `bytes` large, or throws `overloaded` when there is no room for it. */
  set(bytes: number): void;
  /** Gives everything back, and takes nothing more. */
  close(): void;
}

/** A body of at most this size may use the whole budget; a larger one leaves room, so that a few large ones do not shut out the many. */
const SMALL_BYTES = 1024 * 1024;
/** A body of the largest size is in and answered, or on its way, in about this time. */
const RETRY_AFTER_MS = 1000;
const KEPT_FOR_SMALL_BYTES = 32 * 1024 * 1024;

/** Makes the budget of one process. */
export function bodyBudget(maxBytes: number = LIMITS.bodiesInFlightBytes): BodyBudget {
  let usedBytes = 0;
  return {
    open: () => {
      let mine = 0;
      let closed = false;
      return {
        set: (bytes) => {
          if (closed) return;
          const room = bytes <= SMALL_BYTES ? maxBytes : maxBytes - KEPT_FOR_SMALL_BYTES;
          if (bytes > mine && usedBytes + bytes - mine > room) throw fault("overloaded", { retryAfterMs: RETRY_AFTER_MS });
          usedBytes += bytes - mine;
          mine = bytes;
        },
        close: () => {
          usedBytes -= mine;
          mine = 0;
          closed = true;
        },
      };
    },
  };
}
