/**
 * The kernel: what every other room may lean on. Identifiers, money, instants, dice, faults, backoff and the raw-JSON
 * scanner. Pure: no clock, no I/O, no global randomness; callers pass `nowMs` and `rng`.
 */
export { assert, unreachable } from "./assert.ts";
export { type Backoff, backoffMs } from "./backoff.ts";
export { type ClockRow, jobNowMs, realMsUntil } from "./clock.ts";
export { parseDeadline, parseDurationMs } from "./deadline.ts";
export { FAULTS, Fault, type FaultCode, type FaultDetail, fault, isFault } from "./faults.ts";
export { ID_PREFIX, type IdKind, idFloor, isId, newId } from "./ids.ts";
export { depthOf, elementSpans, memberSpans, replaceSpans, type Span } from "./json-span.ts";
export { LIMITS } from "./limits.ts";
export { addNano, formatUsd, type NanoUsd, nano, type PicoUsd, parseUsd, priceTokens, ZERO } from "./money.ts";
export { retentionMs } from "./retention.ts";
export { type Rng, seededRng } from "./rng.ts";
export { hexOf, sha256 } from "./sha256.ts";
