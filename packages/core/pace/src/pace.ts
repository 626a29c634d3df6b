import { backoffMs, type Rng } from "@slowboat/kernel";
import { askBreaker, type Breaker, CLOSED, type Gate, passed, type Sign, told } from "./breaker.ts";
import { type Limits, METERS, type MeterName } from "./headers.ts";
import { correct, isStale, learn, type Meter, meterWaitMs, spend, throughputMs } from "./meter.ts";
import { LOOK_MS, type PacePolicy } from "./policy.ts";

/** What calls take of the limits. Tokens are estimates until a reply tells. */
export interface Cost {
  readonly requests: number;
  readonly input: number;
  readonly output: number;
}

/** The pace of one model on one account, as far as its replies have taught it. Instants are machine ms. */
export interface PaceState {
  readonly policy: PacePolicy;
  readonly meters: Partial<Record<MeterName, Meter>>;
  /** Everything that has left. Its requests number the calls. */
  readonly sent: Cost;
  readonly inFlight: number;
  /** Calls that may be in flight; whole ones count. */
  readonly width: number;
  /** The last call that had left when the width was last cut: earlier ones tell of the same trouble. */
  readonly cutAt: number;
  /** The last call whose reply told what is left. */
  readonly heardOf: number;
  readonly holdUntilMs: number;
  /** Rate limits in a row, for the pause where none is named. */
  readonly limited: number;
  readonly breaker: Breaker;
}

/** A call that was let out. */
export interface Ticket {
  /** Its number on this account and model, from 1. */
  readonly call: number;
  readonly sentAtMs: number;
  readonly cost: Cost;
  /** Everything that had left by then, this call counted. */
  readonly sent: Cost;
}

/**
 * How a call ended.
 * - `ok`: answered · `refused`: the request itself was wrong, so the provider is well
 * - `limited`: a rate limit · `overloaded`: the provider has too much to do · `failed`: it failed, or could not be reached
 * - `silent`: nothing can be told from it (given up, broken off by us, a tier without room)
 */
export type Outcome = "ok" | "refused" | "limited" | "overloaded" | "failed" | "silent";

/** What happens to a call, in this order: a reply's headers (`ok`: a 2xx), then its end. Lengths are the provider's, in its own ms. */
export type PaceEvent =
  | { readonly kind: "heard"; readonly ticket: Ticket; readonly ok: boolean; readonly limits: Limits }
  | {
      readonly kind: "ended";
      readonly ticket: Ticket;
      readonly outcome: Outcome;
      /** The provider's wish with a `limited` or `overloaded`. */
      readonly wishMs?: number | null;
      /** What it took in truth, where that was told. Tokens read from a provider's cache are left out by whoever does not count them. */
      readonly spent?: { readonly input: number; readonly output: number } | null;
    };

/** A pace that nothing limits yet but the ceiling. */
export const openPace = (policy: PacePolicy): PaceState => ({
  policy,
  meters: {},
  sent: { requests: 0, input: 0, output: 0 },
  inFlight: 0,
  width: policy.ceiling,
  cutAt: 0,
  heardOf: 0,
  holdUntilMs: 0,
  limited: 0,
  breaker: CLOSED,
});

/** Whether a call may leave now, and when to ask again if not. Changes nothing; where it says `go`, `letOut` must follow. */
export function admit(state: PaceState, cost: Cost, nowMs: number): Gate {
  const gate = askBreaker(state.breaker, state.policy.breaker, nowMs);
  if (gate.kind === "open") return gate;
  let ms = gate.kind === "wait" ? gate.ms : 0;
  ms = Math.max(ms, Math.ceil(state.holdUntilMs - nowMs));
  for (const [name, meter] of metersOf(state, nowMs)) ms = Math.max(ms, meterWaitMs(meter, amountOf(name, cost), nowMs));
  if (ms === 0 && state.inFlight >= Math.floor(state.width)) ms = LOOK_MS;
  return ms > 0 ? { kind: "wait", ms } : { kind: "go" };
}

/** Machine ms until all of `cost`, of many calls together, could have left, as far as the limits decide. */
export function backlogMs(state: PaceState, cost: Cost, nowMs: number): number {
  let ms = Math.max(0, Math.ceil(state.holdUntilMs - nowMs));
  for (const [name, meter] of metersOf(state, nowMs)) ms = Math.max(ms, throughputMs(meter, amountOf(name, cost), nowMs));
  return ms;
}

/** Lets a call out. Its ticket must come back with an `ended` event. */
export function letOut(state: PaceState, cost: Cost, nowMs: number): { readonly state: PaceState; readonly ticket: Ticket } {
  const sent = { requests: state.sent.requests + 1, input: state.sent.input + cost.input, output: state.sent.output + cost.output };
  const meters = mapMeters(state, nowMs, (name, meter) => spend(meter, amountOf(name, cost), nowMs));
  const breaker = passed(state.breaker, sent.requests, nowMs);
  return {
    state: { ...state, meters, sent, breaker, inFlight: state.inFlight + 1 },
    ticket: { call: sent.requests, sentAtMs: nowMs, cost: { ...cost, requests: 1 }, sent },
  };
}

/** The pace after an event. */
export function next(state: PaceState, event: PaceEvent, nowMs: number, rng: Rng): PaceState {
  return event.kind === "heard" ? heard(state, event, nowMs, rng) : ended(state, event, nowMs, rng);
}

function heard(state: PaceState, event: Extract<PaceEvent, { kind: "heard" }>, nowMs: number, rng: Rng): PaceState {
  const { ticket, limits } = event;
  const breaker = event.ok ? told(state.breaker, ticket.call, "alive", state.policy.breaker, nowMs, rng) : state.breaker;
  // A reply to an earlier call knows less than what was heard already.
  if (ticket.call < state.heardOf) return breaker === state.breaker ? state : { ...state, breaker };
  const meters = mapMeters(state, nowMs, (_, meter) => meter);
  const { requests, input, output } = state.sent;
  const after: Cost = { requests: requests - ticket.sent.requests, input: input - ticket.sent.input, output: output - ticket.sent.output };
  for (const name of METERS) {
    const said = limits.meters[name];
    if (said === undefined) continue;
    const since = { sent: amountOf(name, after), ageMs: nowMs - ticket.sentAtMs };
    meters[name] = learn(meters[name], said, since, state.policy.minuteMs, nowMs);
  }
  const holdUntilMs = limits.emptyMs === null ? state.holdUntilMs : Math.max(state.holdUntilMs, nowMs + boundedMs(state.policy, limits.emptyMs));
  return { ...state, meters, breaker, holdUntilMs, heardOf: ticket.call };
}

const SIGN: Record<Outcome, Sign> = { ok: "alive", refused: "alive", limited: "alive", overloaded: "failed", failed: "failed", silent: "silent" };

function ended(state: PaceState, event: Extract<PaceEvent, { kind: "ended" }>, nowMs: number, rng: Rng): PaceState {
  const { ticket, outcome } = event;
  const { policy } = state;
  const after = {
    ...state,
    breaker: told(state.breaker, ticket.call, SIGN[outcome], policy.breaker, nowMs, rng),
    inFlight: Math.max(0, state.inFlight - 1),
  };
  const { spent } = event;
  if (spent) {
    after.meters = mapMeters(state, nowMs, (name, meter) => {
      const difference = amountOf(name, { ...spent, requests: 1 }) - amountOf(name, ticket.cost);
      return difference === 0 ? meter : correct(meter, difference, ticket.sentAtMs, nowMs);
    });
  }
  if (outcome === "ok") return { ...after, limited: 0, width: Math.min(policy.ceiling, state.width + 1 / state.width) };
  if (outcome !== "limited" && outcome !== "overloaded") return after;
  const first = ticket.call > state.cutAt;
  const limited = outcome === "limited" && first ? state.limited + 1 : state.limited;
  return {
    ...after,
    limited,
    // What was in flight when it became too much, halved; once a round trip.
    width: first ? Math.max(policy.floor, Math.min(state.width, state.inFlight) / 2) : state.width,
    cutAt: first ? state.sent.requests : state.cutAt,
    holdUntilMs: Math.max(state.holdUntilMs, nowMs + holdMs(policy, event, limited, rng)),
  };
}

/** The provider's wish and up to a tenth more, so that not everybody comes back at once; the pause after a rate limit without one. */
function holdMs(policy: PacePolicy, event: Extract<PaceEvent, { kind: "ended" }>, limited: number, rng: Rng): number {
  const wish = event.wishMs;
  if (wish !== null && wish !== undefined && wish >= 0) return boundedMs(policy, wish * (1 + rng.float() / 10));
  return event.outcome === "limited" ? backoffMs(policy.pause, Math.max(0, limited - 1), rng) : 0;
}

/** A length of the provider's in machine ms, within the bound. */
const boundedMs = (policy: PacePolicy, ms: number): number => Math.min(policy.holdMsMax, ms / policy.scale);

/** How a pace stands, to be shown and planned with. */
export interface PaceView {
  /** Calls that may be in flight. */
  readonly concurrency: number;
  readonly inFlight: number;
  readonly breaker: Breaker["kind"];
  /** Machine ms until the smallest call could leave, free room taken for granted; while the breaker is open, until it is probed. */
  readonly waitMs: number;
  /** Calls a machine second that the limits of a minute let pass, calls being as large as those so far; `null` where no reply told of one. */
  readonly perSecond: number | null;
}

/** Looks without changing anything. An open breaker whose time is up shows as half-open: the next call is its probe. */
export function viewOf(state: PaceState, nowMs: number): PaceView {
  const gate = admit({ ...state, inFlight: 0 }, { requests: 1, input: 0, output: 0 }, nowMs);
  const { breaker } = state;
  return {
    concurrency: Math.floor(state.width),
    inFlight: state.inFlight,
    breaker: breaker.kind === "open" && gate.kind !== "open" ? "half-open" : breaker.kind,
    waitMs: gate.kind === "open" ? gate.retryAfterMs : gate.kind === "wait" ? gate.ms : 0,
    perSecond: perSecond(state, nowMs),
  };
}

/** A day's limit is left out: it is spent as it comes, and says nothing of the next minutes. */
function perSecond(state: PaceState, nowMs: number): number | null {
  let least: number | null = null;
  for (const [name, { limit, windowMs }] of metersOf(state, nowMs)) {
    const amount = amountOf(name, state.sent) / Math.max(1, state.sent.requests);
    if (windowMs > state.policy.minuteMs || amount <= 0) continue;
    const calls = (limit / amount) * (1_000 / windowMs);
    least = Math.min(least ?? calls, calls);
  }
  return least;
}

function amountOf(name: MeterName, cost: Cost): number {
  if (name === "requests") return cost.requests;
  if (name === "input-tokens") return cost.input;
  return name === "output-tokens" ? cost.output : cost.input + cost.output;
}

/** The meters that still hold somebody. Asked for several times a call, so that nothing is made that is not needed. */
function metersOf({ meters }: PaceState, nowMs: number): [MeterName, Meter][] {
  const live: [MeterName, Meter][] = [];
  for (const name of METERS) {
    const meter = meters[name];
    if (meter !== undefined && !isStale(meter, nowMs)) live.push([name, meter]);
  }
  return live;
}

function mapMeters(state: PaceState, nowMs: number, change: (name: MeterName, meter: Meter) => Meter): Partial<Record<MeterName, Meter>> {
  const changed: Partial<Record<MeterName, Meter>> = {};
  for (const [name, meter] of metersOf(state, nowMs)) changed[name] = change(name, meter);
  return changed;
}
