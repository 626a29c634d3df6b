import { type LaneId, laneClass } from "@slowboat/contract";
import { judgeChain, type Level } from "./chain.ts";
import { mendedCost } from "./mended-cost.ts";
import type { Option } from "./option.ts";
import { demandOf, type Piece } from "./promise.ts";
import { roomsBehind } from "./quota-rooms.ts";
import { type LineRefusal, lineQuoter, NO_MONEY, type QuotedLine, type QuoteKind, type QuoteLine, type Spread } from "./quote-line.ts";
import type { LaneView, PlanJob, Snapshot } from "./snapshot.ts";

/** Lines of one kind, in any order. */
export interface QuoteGroup {
  readonly kind: QuoteKind;
  readonly lines: readonly QuoteLine[];
}

/** One lane, as if it did all of the work that it can do, a rescue behind it where the planner would put one. */
export interface LaneQuote {
  readonly lane: LaneId;
  /** Exact models that would run there. */
  readonly models: readonly string[];
  /** Lines that it could serve. */
  readonly lines: number;
  /** Lines that the planner would put there. */
  readonly chosen: number;
  /** True where the planner may choose it for some line. */
  readonly eligible: boolean;
  readonly why: string;
  /** The lane's own price; `null` where something of it is unpriced. */
  readonly price: Spread | null;
  /** With rescue and waste counted in; `null` where the lane is out. */
  readonly expectedNano: bigint | null;
  /** Ms from now until all of it is done, half of the time and nine times in ten; `null` where it may never be. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  /** Probability that the last line misses the deadline; `null` without one. */
  readonly missed: number | null;
}

/** Lines that would be turned away, and why. */
export interface QuoteRefusal extends LineRefusal {
  readonly lines: number;
}

/** What the work would cost, and when it would be done. */
export interface WorkQuote {
  readonly lines: number;
  readonly lanes: readonly LaneQuote[];
  readonly refusals: readonly QuoteRefusal[];
  /** The planner's own mix: what its lanes cost, rescue and waste counted into `expected` alone. */
  readonly total: Spread;
  /** What has to be at hand: every line rescued, its answer long. */
  readonly reservationNano: bigint;
  /** All of it in real time on the asked models at list price; `null` where a model has none. */
  readonly naive: Spread | null;
  /** Lines without a price; they are in no sum. */
  readonly unpriced: number;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  /** Probability that some line misses the deadline. */
  readonly missed: number | null;
  /** The mix as far as promises go: what may be late, and what it may need of real time. */
  readonly pieces: readonly Piece[];
}

const add = (a: Spread, b: Spread): Spread => ({ low: a.low + b.low, expected: a.expected + b.expected, high: a.high + b.high });

/** Lines between two pauses: a few milliseconds of work. */
const STEP = 200;

/**
 * Works out what a piece of work would cost and when it would be done, by the functions that `decide` itself uses; pauses (yields) every two hundred lines, so
 * that nobody waits behind a large file. Each line goes where the planner would put it.
 */
export function* quoteWork(groups: readonly QuoteGroup[], snapshot: Snapshot, nowMs: number): Generator<void, WorkQuote> {
  const sums = createSums();
  let done = 0;
  for (const group of groups) {
    const view = { ...snapshot, batchLines: Math.max(group.lines.filter((line) => !line.cached).length, 1) };
    const quoteLine = lineQuoter(group.kind, view, nowMs);
    for (const line of group.lines) {
      sums.add(group.kind, quoteLine(line));
      if (++done % STEP === 0) yield;
    }
  }
  const lanes: LaneQuote[] = [];
  for (const { id } of snapshot.lanes) {
    lanes.push(laneQuote(id, groups, { snapshot, nowMs, sums }));
    yield;
  }
  if (sums.cached > 0) lanes.unshift(cacheQuote(sums.cached));
  const finish = mixFinish(groups, { snapshot, nowMs, sums });
  return { lines: done, lanes, refusals: [...sums.refusals.values()], ...sums.totals(), ...finish };
}

interface LaneSum {
  /** Lines, and those without a price there, that the lane could serve as far as prices tell. */
  price: Spread;
  unpriced: number;
  chosen: number;
}

/** Adds lines up. */
function createSums() {
  const lanes = new Map<LaneId, LaneSum>();
  const byKind = new Map<QuoteKind, Map<LaneId, { price: Spread; unpriced: number; chosen: number }>>();
  const refusals = new Map<string, QuoteRefusal>();
  let total = NO_MONEY;
  let naive: Spread | null = NO_MONEY;
  let reservationNano = 0n;
  let unpriced = 0;
  let cached = 0;
  return {
    refusals,
    get cached() {
      return cached;
    },
    of: (kind: QuoteKind, lane: LaneId): LaneSum => byKind.get(kind)?.get(lane) ?? { price: NO_MONEY, unpriced: 0, chosen: 0 },
    chosenOn: (lane: LaneId): number => lanes.get(lane)?.chosen ?? 0,
    totals: () => ({ total, reservationNano, naive, unpriced }),
    add(kind: QuoteKind, sized: QuotedLine): void {
      const own = byKind.get(kind) ?? new Map<LaneId, LaneSum>();
      byKind.set(kind, own);
      if (sized.lane === "cache") cached++;
      for (const [lane, price] of sized.prices) {
        const sum = own.get(lane) ?? { price: NO_MONEY, unpriced: 0, chosen: 0 };
        own.set(lane, sum);
        if (sized.lane === "cache") continue;
        if (price === null) sum.unpriced++;
        else sum.price = add(sum.price, price);
        if (sized.lane === lane) sum.chosen++;
      }
      if (sized.lane !== null && sized.lane !== "cache") {
        const sum = lanes.get(sized.lane) ?? { price: NO_MONEY, unpriced: 0, chosen: 0 };
        lanes.set(sized.lane, sum);
        sum.chosen++;
      }
      if (sized.refusal !== null) {
        const { code, earliestFeasibleAtMs } = sized.refusal;
        const same = refusals.get(code);
        // One reason of a kind stands for all; a deadline that suits every line is the latest of theirs.
        const latest = Math.max(same?.earliestFeasibleAtMs ?? 0, earliestFeasibleAtMs ?? 0);
        refusals.set(code, { ...(same ?? sized.refusal), lines: (same?.lines ?? 0) + 1, earliestFeasibleAtMs: latest === 0 ? null : latest });
        return;
      }
      if (sized.unpriced) unpriced++;
      total = add(total, sized.cost);
      reservationNano += sized.reservationNano;
      naive = naive === null || sized.naive === null ? null : add(naive, sized.naive);
    },
  };
}

interface Sight {
  readonly snapshot: Snapshot;
  readonly nowMs: number;
  readonly sums: ReturnType<typeof createSums>;
}

const cacheQuote = (lines: number): LaneQuote => ({
  lane: "cache",
  models: [],
  lines,
  chosen: lines,
  eligible: true,
  why: "answers to the same requests are kept, or come with an earlier line",
  price: NO_MONEY,
  expectedNano: 0n,
  p50Ms: 0,
  p90Ms: 0,
  missed: 0,
});

/** The line that takes longest, as the last of its kind: what it gets, the others have got. */
const lastOf = (group: QuoteGroup): QuoteLine | undefined =>
  group.lines.reduce<QuoteLine | undefined>((a, b) => (b.cached || (a !== undefined && a.outputTokens >= b.outputTokens) ? a : b), undefined);

const openLines = (group: QuoteGroup): number => group.lines.filter((line) => !line.cached).length;

/** The lanes with this work before the last line of it. */
function busyWith(snapshot: Snapshot, lines: number, tokens: number, batchLines: number): Snapshot {
  const ahead = Math.max(0, lines - 1);
  const busy = (lane: LaneView): LaneView => {
    if (laneClass(lane.id) === "batch" || laneClass(lane.id) === "pool") return lane;
    return {
      ...lane,
      queued: lane.queued + ahead,
      ...(lane.rate === undefined ? {} : { rate: { ...lane.rate, waiting: lane.rate.waiting + ahead } }),
    };
  };
  const { pool } = snapshot;
  const filled = pool === null ? null : { tokensPerSecond: pool.tokensPerSecond, backlogTokens: pool.backlogTokens + tokens };
  return { ...snapshot, lanes: snapshot.lanes.map(busy), pool: filled, batchLines: Math.max(1, batchLines) };
}

const tokensOf = (lines: readonly QuoteLine[]): number =>
  lines.reduce((sum, line) => (line.cached ? sum : sum + line.inputTokens + line.outputTokens), 0);

/** How the last line of a group fares on a lane with `lines` lines of the work on it; with `opened`, whatever the caller denied and however the lane stands. */
function lastOn(group: QuoteGroup, lane: LaneId, at: { snapshot: Snapshot; nowMs: number }, lines: number, opened: boolean): Option | null {
  const last = lastOf(group);
  if (last === undefined) return null;
  const { snapshot, nowMs } = at;
  const before = tokensOf(group.lines) - last.inputTokens - last.outputTokens;
  const busy = busyWith(snapshot, lines, before, openLines(group));
  const mine = group.lines.reduce((sum, line) => (line.cached ? sum : sum + line.inputTokens), 0) - last.inputTokens;
  const aheadTokens = mine * Math.min(1, lines / Math.max(1, openLines(group)));
  const alone: PlanJob = { ...group.kind.job, inputTokens: last.inputTokens, outputTokens: last.outputTokens, cached: false };
  const job = { ...alone, rooms: roomsBehind(snapshot.quotas, alone, aheadTokens, nowMs) };
  const open = (view: LaneView): LaneView => ({ ...view, available: true, awayModels: [] });
  const free = opened ? { ...job, allow: null, deny: null, maxCostNano: null } : job;
  const levels = judgeChain(free, opened ? { ...busy, lanes: busy.lanes.map(open) } : busy, nowMs);
  return optionOn(levels, lane);
}

const optionOn = (levels: readonly Level[], lane: LaneId): Option | null => {
  const all = levels.flatMap(({ judged }) => judged.filter((option) => option.lane === lane));
  return all.find((option) => option.out === null) ?? all[0] ?? null;
};

function laneQuote(lane: LaneId, groups: readonly QuoteGroup[], sight: Sight): LaneQuote {
  const { snapshot, nowMs, sums } = sight;
  const open = groups.filter((group) => openLines(group) > 0);
  const lines = open.reduce((sum, group) => sum + openLines(group), 0);
  const models = new Set<string>();
  const finish: Finish[] = [];
  let served = 0;
  let price: Spread | null = NO_MONEY;
  let expectedNano: bigint | null = 0n;
  let eligible = false;
  let why = "";
  for (const group of open) {
    const as = lastOn(group, lane, { snapshot, nowMs }, openLines(group), false);
    if (as === null) continue;
    const free = lastOn(group, lane, { snapshot, nowMs }, lines, true) ?? as;
    const sum = sums.of(group.kind, lane);
    served += openLines(group);
    models.add(as.model);
    price = price === null || sum.unpriced > 0 ? null : add(price, sum.price);
    expectedNano = expectedNano === null || price === null || as.out !== null ? null : expectedNano + mendedTotal(sum.price, as, sums, group.kind);
    if (Number.isFinite(free.finishMs)) finish.push({ doneBy: free.doneBy, missed: free.missed });
    if (as.out === null) eligible = true;
    if (why === "" || (as.out === null && eligible)) why = as.why;
  }
  const chosen = sums.chosenOn(lane);
  const known = { lane, models: [...models], lines: served, chosen };
  if (served === 0) {
    const names = [...new Set(open.map(({ kind }) => `${kind.job.model} at ${kind.job.endpoint}`))].slice(0, 3).join(", ");
    const none = open.length === 0 ? "nothing is left to run" : `does not serve ${names}`;
    return { ...known, eligible: false, why: none, price: null, expectedNano: null, p50Ms: null, p90Ms: null, missed: null };
  }
  return { ...known, eligible, why, price, expectedNano: eligible ? expectedNano : null, ...together(finish) };
}

/** What a lane is expected to cost for a kind with the rescue that its last line has. */
function mendedTotal(price: Spread, { mend, inTime }: Option, sums: Sight["sums"], kind: QuoteKind): bigint {
  if (mend === null) return price.expected;
  return mendedCost(price.expected, sums.of(kind, mend.lane).price.expected, mend.waste, inTime).expectedNano;
}

interface Finish {
  readonly doneBy: (ms: number) => number;
  readonly missed: number | null;
}

/** When all of several pieces are done, each by its own luck. */
function together(pieces: readonly Finish[]): Pick<LaneQuote, "p50Ms" | "p90Ms" | "missed"> {
  if (pieces.length === 0) return { p50Ms: null, p90Ms: null, missed: null };
  const doneBy = (ms: number): number => pieces.reduce((p, piece) => p * piece.doneBy(ms), 1);
  const inTime = pieces.reduce<number | null>((p, { missed }) => (p === null || missed === null ? null : p * (1 - missed)), 1);
  return { p50Ms: firstMs(0.5, doneBy), p90Ms: firstMs(0.9, doneBy), missed: inTime === null ? null : 1 - inTime };
}

/** Nothing is forecast beyond this: a provider's batch has expired by then, and the longest deadline has passed. */
const HORIZON_MS = 31 * 86_400_000;

/** The first ms by which a share `p` is done, to a thousandth; `null` when it never is. */
function firstMs(p: number, doneBy: (ms: number) => number): number | null {
  if (doneBy(HORIZON_MS) < p) return null;
  let low = 0;
  let high = HORIZON_MS;
  while (high - low > Math.max(1, high / 1_000)) {
    const middle = (low + high) / 2;
    if (doneBy(middle) < p) low = middle;
    else high = middle;
  }
  return Math.round(high);
}

/** When the whole mix is done: each lane with the lines that go there. */
function mixFinish(groups: readonly QuoteGroup[], { snapshot, nowMs, sums }: Sight): Pick<WorkQuote, "p50Ms" | "p90Ms" | "missed" | "pieces"> {
  const ends: Finish[] = [];
  const pieces: Piece[] = [];
  for (const { id } of snapshot.lanes) {
    const lines = sums.chosenOn(id);
    if (lines === 0) continue;
    for (const group of groups) {
      if (sums.of(group.kind, id).chosen === 0) continue;
      const option = lastOn(group, id, { snapshot, nowMs }, lines, false);
      const last = lastOf(group);
      if (option === null || last === undefined) continue;
      ends.push({ doneBy: option.doneBy, missed: option.missed });
      const job: PlanJob = { ...group.kind.job, inputTokens: last.inputTokens, outputTokens: last.outputTokens, cached: false };
      pieces.push({ missed: option.missed, demand: demandOf(option, job, snapshot, sums.of(group.kind, id).chosen) });
    }
  }
  if (ends.length === 0 && sums.cached > 0) return { p50Ms: 0, p90Ms: 0, missed: 0, pieces };
  return { ...together(ends), pieces };
}
