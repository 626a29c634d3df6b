/**
 * The pace: how fast calls may leave for one model of one account, learned from the replies. Providers name their limits in headers, say when they
 * have too much to do, and fail; what was heard becomes token buckets, a width of calls in flight (additive increase, multiplicative
 * decrease) and a circuit breaker. Pure data and functions, so that a year of lying headers can be tried in a second.
 */
export {
  type Allowance,
  type AllowanceAsk,
  type AllowanceKind,
  type AllowanceLimits,
  type AllowanceStanding,
  allowedAfterMs,
  fillMs,
  goDuration,
  refilled,
  refusedBy,
} from "./allowance.ts";
export { askBreaker, type Breaker, CLOSED, type Gate, passed, type Sign, told } from "./breaker.ts";
export { goDurationMs, type HeaderOf, type Limits, readLimits, resetMs, retryAfterMs } from "./headers.ts";
export {
  admit,
  backlogMs,
  type Cost,
  letOut,
  next,
  type Outcome,
  openPace,
  type PaceEvent,
  type PaceState,
  type PaceView,
  type Ticket,
  viewOf,
} from "./pace.ts";
export { type BreakerPolicy, type PacePolicy, pacePolicy } from "./policy.ts";
