import { type LaneId, laneClass } from "@slowboat/contract";
import { judgeChain } from "./chain.ts";
import { admit } from "./decide.ts";
import type { Option } from "./option.ts";
import { POLICY } from "./policy.ts";
import { roomsBehind } from "./quota-rooms.ts";
import { callsPerSecond } from "./rescue.ts";
import { type LaneView, onModel, type PlanJob, type Snapshot, type Verdict } from "./snapshot.ts";

/** How firmly work is taken in. `guaranteed`: also if its batch lane stalls · `likely`: if lanes do as they usually do · `best_effort`: as it comes. */
export type AdmissionClass = "guaranteed" | "likely" | "best_effort";
const RANK: readonly AdmissionClass[] = ["best_effort", "likely", "guaranteed"];

/** Rescue capacity that a piece of work may need: so many ms of the whole of a real-time lane's time for a model, before its deadline, unless it is in time by itself. */
export interface Demand {
  /** Lane and model whose limits the rescue runs into. */
  readonly resource: string;
  /** The lane that it tries first. */
  readonly lane: LaneId;
  readonly deadlineAtMs: number;
  readonly workMs: number;
  /** Probability that it needs none of it. */
  readonly inTime: number;
}

/** What is promised already on a resource, summed over the work with one deadline and lane. */
export interface Promised {
  readonly resource: string;
  readonly lane: LaneId;
  readonly deadlineAtMs: number;
  /** Σ w. */
  readonly workMs: number;
  /** Σ w·(1 − p). */
  readonly meanMs: number;
  /** Σ w²·p·(1 − p). */
  readonly varianceMs2: number;
}

/** One demand in the book's terms. Lines of one piece share a batch and its fate: they are one draw, not many. */
export const promisedOf = ({ resource, lane, deadlineAtMs, workMs, inTime }: Demand): Promised => ({
  resource,
  lane,
  deadlineAtMs,
  workMs,
  meanMs: workMs * (1 - inTime),
  varianceMs2: workMs ** 2 * inTime * (1 - inTime),
});

interface Load {
  workMs: number;
  meanMs: number;
  varianceMs2: number;
}

/** Whether the rescues of all that is promised on one resource fit before every deadline, as lanes usually do, and if a batch lane stalls. */
export interface Fit {
  readonly expected: boolean;
  readonly stress: boolean;
}

/**
 * The demand bound of earliest-deadline-first service, for every deadline of the book: Σ w(1−p) + 3·√Σ w²p(1−p) within four fifths of the time that is left
 * (never more than all the work there is); and for each batch lane, all that rides on it, and what else is expected, within all of that time.
 */
export function fits(book: readonly Promised[], resource: string, nowMs: number): Fit {
  const rows = book.filter((row) => row.resource === resource && row.deadlineAtMs > nowMs).sort((a, b) => a.deadlineAtMs - b.deadlineAtMs);
  const all: Load = { workMs: 0, meanMs: 0, varianceMs2: 0 };
  const byLane = new Map<LaneId, Load>();
  let expected = true;
  let stress = true;
  for (const [index, row] of rows.entries()) {
    add(all, row);
    const own = byLane.get(row.lane) ?? { workMs: 0, meanMs: 0, varianceMs2: 0 };
    byLane.set(row.lane, own);
    add(own, row);
    // Equal deadlines are one.
    if (rows[index + 1]?.deadlineAtMs === row.deadlineAtMs) continue;
    const leftMs = row.deadlineAtMs - nowMs;
    const needed = Math.min(all.workMs, all.meanMs + POLICY.promiseSigmas * Math.sqrt(all.varianceMs2));
    if (needed > POLICY.promiseShare * leftMs) expected = false;
    for (const [lane, load] of byLane) {
      if (laneClass(lane) === "batch" && load.workMs + all.meanMs - load.meanMs > leftMs) stress = false;
    }
  }
  return { expected, stress };
}

const add = (to: Load, more: Load): void => {
  to.workMs += more.workMs;
  to.meanMs += more.meanMs;
  to.varianceMs2 += more.varianceMs2;
};

/** A piece of work as far as its promise goes. */
export interface Piece {
  readonly missed: number | null;
  /** `null` where nothing stands behind it. */
  readonly demand: Demand | null;
}

/** The best class that work can be given beside what is promised, and why none better. Work without a deadline has nothing to be promised. */
export function classOf(
  pieces: readonly Piece[],
  book: readonly Promised[],
  nowMs: number,
): { readonly class: AdmissionClass; readonly why: string } {
  if (pieces.some((piece) => piece.missed === null)) return { class: "best_effort", why: "without a deadline there is nothing to promise" };
  const missed = 1 - pieces.reduce((p, piece) => p * (1 - (piece.missed ?? 1)), 1);
  const late = `late with ${missed < 1e-4 ? "less than 0.01" : (missed * 100).toPrecision(2)} %`;
  if (missed > POLICY.likelyMiss) return { class: "best_effort", why: `${late}, more than the ${POLICY.likelyMiss * 100} % of a likely one` };
  const together = [...book, ...pieces.flatMap(({ demand }) => (demand === null ? [] : [promisedOf(demand)]))];
  const resources = new Set(pieces.flatMap(({ demand }) => (demand === null ? [] : [demand.resource])));
  let stress = true;
  for (const resource of resources) {
    const fit = fits(together, resource, nowMs);
    if (!fit.expected) return { class: "best_effort", why: `the rescues promised on ${resource} would not fit before its deadline` };
    stress &&= fit.stress;
  }
  if (pieces.some((piece) => piece.demand === null)) return { class: "likely", why: `${late}, and no rescue stands behind it` };
  if (missed > POLICY.guaranteedMiss) return { class: "likely", why: `${late}, more than the ${POLICY.guaranteedMiss * 100} % of a guaranteed one` };
  if (!stress) return { class: "likely", why: "if its batch lane stalled, real time could not run all that rides on it" };
  return { class: "guaranteed", why: `${late}, and its rescue fits whatever its batch lane does` };
}

/** What a chosen way may need of real time for so many lines; `null` where it neither runs there nor could be rescued. */
export function demandOf(option: Option, job: PlanJob, snapshot: Snapshot, lines: number): Demand | null {
  if (job.deadlineAtMs === null) return null;
  const direct = laneClass(option.lane) === "realtime";
  const id = direct ? option.lane : option.mend?.lane;
  const view: LaneView | undefined = snapshot.lanes.find((lane) => lane.id === id);
  if (view === undefined) return null;
  const workMs = (lines * 1000) / Math.max(1e-9, callsPerSecond(onModel(view, option.model), job.outputTokens, snapshot.scale));
  return {
    resource: `${view.id} ${option.model}`,
    lane: option.lane,
    deadlineAtMs: job.deadlineAtMs,
    workMs,
    inTime: direct ? 0 : option.inTime,
  };
}

/** One request, or the lines of a batch by their longest, that asks for a class. */
export interface PromiseAsk {
  readonly class: Exclude<AdmissionClass, "best_effort">;
  readonly job: PlanJob;
  readonly snapshot: Snapshot;
  readonly lines: number;
}

/** Given: with what to write into the book, if anything; or what would be possible. */
export type PromiseVerdict =
  | { readonly kind: "promised"; readonly demand: Demand | null }
  | { readonly kind: "refuse"; readonly verdict: Extract<Verdict, { kind: "refuse" }> }
  | {
      readonly kind: "too-much";
      readonly feasible: AdmissionClass;
      readonly why: string;
      /** The earliest deadline with which the class would be given now; `null` where none within the horizon is. */
      readonly earliestAtMs: number | null;
      /** The least bound on the cost of a request with which it would: by its own deadline where money is the trouble, by the earliest one otherwise. */
      readonly boundNano: bigint | null;
    };

const HORIZON_MS = 30 * 86_400_000;
const WIDER = 1.3;
const HALVINGS = 14;

/** Judges whether work may be taken in with the class that it asks for, beside what is promised already. Pure: the book is read, and written, by whoever holds its lock. */
export function judgePromise(ask: PromiseAsk, book: readonly Promised[], nowMs: number): PromiseVerdict {
  const at = judgeAt(ask, ask.job, book, nowMs);
  if (at.kind === "refuse") return at;
  if (enough(at.given, ask)) return { kind: "promised", demand: at.demand };
  const { deadlineAtMs, maxCostNano } = ask.job;
  const refusal = { kind: "too-much", feasible: at.given, why: at.why } as const;
  if (deadlineAtMs === null) return { ...refusal, earliestAtMs: null, boundNano: null };
  const free = { ...ask.job, maxCostNano: null };
  const unbound = maxCostNano === null ? null : judgeAt(ask, free, book, nowMs);
  if (unbound?.kind === "judged" && enough(unbound.given, ask)) return { ...refusal, earliestAtMs: deadlineAtMs, boundNano: unbound.worstNano };
  const given = (slackMs: number) => {
    const judged = judgeAt(ask, { ...free, deadlineAtMs: nowMs + slackMs }, book, nowMs);
    return judged.kind === "judged" && enough(judged.given, ask) ? judged : null;
  };
  let high = Math.max(60_000, deadlineAtMs - nowMs);
  let found = given(high);
  let low = high;
  while (found === null && high < HORIZON_MS) {
    low = high;
    high = Math.min(HORIZON_MS, high * WIDER);
    found = given(high);
  }
  if (found === null) return { ...refusal, earliestAtMs: null, boundNano: null };
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    const better = given(middle);
    if (better === null) low = middle;
    else [high, found] = [middle, better];
  }
  return { ...refusal, earliestAtMs: Math.ceil((nowMs + high) / 1000) * 1000, boundNano: found.worstNano };
}

const enough = (given: AdmissionClass, ask: PromiseAsk): boolean => RANK.indexOf(given) >= RANK.indexOf(ask.class);

type Judged = {
  readonly kind: "judged";
  readonly given: AdmissionClass;
  readonly why: string;
  readonly demand: Demand | null;
  readonly worstNano: bigint | null;
};

function judgeAt(
  { snapshot, lines }: PromiseAsk,
  asked: PlanJob,
  book: readonly Promised[],
  nowMs: number,
): Judged | Extract<PromiseVerdict, { kind: "refuse" }> {
  const view = { ...snapshot, batchLines: lines };
  const job = { ...asked, rooms: roomsBehind(snapshot.quotas, asked, (lines - 1) * asked.inputTokens, nowMs) };
  const verdict = admit(job, view, nowMs);
  if (verdict.kind === "refuse") return { kind: "refuse", verdict };
  const { lane, fallback } = verdict.decision;
  if (lane === "cache") return { kind: "judged", given: "guaranteed", why: "its answer is kept", demand: null, worstNano: 0n };
  const level = judgeChain(job, view, nowMs).find((one) => (fallback === undefined ? one.fallback === null : one.name === fallback.name));
  const option = level?.judged.find((one) => one.lane === lane);
  if (option === undefined) return { kind: "judged", given: "best_effort", why: "no forecast", demand: null, worstNano: null };
  const demand = demandOf(option, job, view, lines);
  const { class: given, why } = classOf([{ missed: option.missed, demand }], book, nowMs);
  return { kind: "judged", given, why, demand, worstNano: option.worstNano };
}
