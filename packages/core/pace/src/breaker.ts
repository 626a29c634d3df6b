import { backoffMs, type Rng } from "@slowboat/kernel";
import { type BreakerPolicy, LOOK_MS } from "./policy.ts";

/**
 * A circuit breaker as data. `closed` lets everything through and counts failures in a row; `open` lets nothing through until its instant
 * (machine ms); `half-open` lets one call through, the probe, and what becomes of it decides. `opens` counts openings since it was last closed.
 */
export type Breaker =
  | { readonly kind: "closed"; readonly failures: number }
  | { readonly kind: "open"; readonly untilMs: number; readonly opens: number }
  | { readonly kind: "half-open"; readonly probe: number | null; readonly sinceMs: number; readonly opens: number };

/** What a call tells about the provider: it answered (a refusal of the request counts), it failed, or nothing can be said. */
export type Sign = "alive" | "failed" | "silent";

/** Whether a call may go, must wait for the probe's outcome, or finds it open. Lengths in machine ms. */
export type Gate =
  | { readonly kind: "go" }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "open"; readonly retryAfterMs: number };

export const CLOSED: Breaker = { kind: "closed", failures: 0 };
const GO: Gate = { kind: "go" };

/** Asks without changing anything; where it says `go`, `passed` must follow. */
export function askBreaker(breaker: Breaker, policy: BreakerPolicy, nowMs: number): Gate {
  switch (breaker.kind) {
    case "closed":
      return GO;
    case "open":
      return nowMs >= breaker.untilMs ? GO : { kind: "open", retryAfterMs: Math.ceil(breaker.untilMs - nowMs) };
    case "half-open": {
      const left = breaker.probe === null ? 0 : breaker.sinceMs + policy.probeMs - nowMs;
      return left <= 0 ? GO : { kind: "wait", ms: Math.min(LOOK_MS, Math.ceil(left)) };
    }
  }
}

/** Call number `call` went through: the first one after the cooldown becomes the probe. */
export function passed(breaker: Breaker, call: number, nowMs: number): Breaker {
  return breaker.kind === "closed" ? breaker : { kind: "half-open", probe: call, sinceMs: nowMs, opens: breaker.opens };
}

/** What call number `call` told. While it is open or half-open only the probe's word counts: others left before the trouble was known. */
export function told(breaker: Breaker, call: number, sign: Sign, policy: BreakerPolicy, nowMs: number, rng: Rng): Breaker {
  if (breaker.kind === "closed") {
    if (sign === "silent") return breaker;
    if (sign === "alive") return breaker.failures === 0 ? breaker : CLOSED;
    const failures = breaker.failures + 1;
    return failures < policy.failures ? { kind: "closed", failures } : open(1, policy, nowMs, rng);
  }
  if (breaker.kind === "open" || breaker.probe !== call) return breaker;
  if (sign === "alive") return CLOSED;
  return sign === "failed" ? open(breaker.opens + 1, policy, nowMs, rng) : { ...breaker, probe: null };
}

const open = (opens: number, policy: BreakerPolicy, nowMs: number, rng: Rng): Breaker => ({
  kind: "open",
  untilMs: nowMs + backoffMs(policy.cooldown, opens - 1, rng),
  opens,
});
