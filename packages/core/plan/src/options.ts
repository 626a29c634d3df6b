import { type LaneId, laneClass, laneProvider } from "@slowboat/contract";
import { quote, routeOn } from "@slowboat/pricing";
import { cacheSavingNano } from "./cached-price.ts";
import { flexCdf, poolBefore, poolCdf, poolMeanMs, poolTokens, realtimeCdf, realtimeMeanMs, realtimeQ99Ms } from "./latency.ts";
import { leastChance, mendedCost, share } from "./mended-cost.ts";
import type { Option, Out } from "./option.ts";
import { policyOf } from "./policy.ts";
import { queueMs, rescueAtMs, rescueCdf } from "./rescue.ts";
import { type LaneRoom, type LaneView, onModel, type PlanJob, roomKey, type Snapshot } from "./snapshot.ts";
import { batchCdf, batchQuantile } from "./turnaround.ts";

const percent = (p: number): string => `${(p * 100).toFixed(1)} %`;

/** The answer of last resort for the job: the allowed real-time lane that is fastest now, and what it costs. */
export interface Rescue {
  readonly view: LaneView;
  readonly priceNano: bigint;
}

/** What a model's place in a chain changes. */
export interface ChainPlace {
  /** True where another model may answer instead. */
  readonly chained: boolean;
  /** Why the request cannot be put to this model; `null` where it can. */
  readonly refused: string | null;
}

/** What one judgement rests on. A literal with a getter would have a hidden class of its own at every decision. */
class Context {
  readonly job: PlanJob;
  readonly chain: ChainPlace;
  readonly snapshot: Snapshot;
  readonly nowMs: number;
  #rescue: Rescue | null | undefined;
  constructor(job: PlanJob, chain: ChainPlace, snapshot: Snapshot, nowMs: number) {
    this.job = job;
    this.chain = chain;
    this.snapshot = snapshot;
    this.nowMs = nowMs;
  }
  /** Looked for when it is first asked for: what is urgent has none behind it. */
  get rescue(): Rescue | null {
    if (this.#rescue === undefined) this.#rescue = rescueFor(this, this.nowMs);
    return this.#rescue;
  }
}

type Judging = Pick<Context, "job" | "chain" | "snapshot">;

/** Why the job may not use a lane at all, whatever its price and speed; `null` when it may. */
function barred({ job, chain, snapshot }: Judging, lane: LaneView, model: string): { out: Out; why: string } | null {
  const policy = policyOf(snapshot);
  if (job.deny?.includes(lane.id) || (job.allow !== null && !job.allow.includes(lane.id)))
    return { out: "not-allowed", why: "not among the allowed lanes" };
  if (job.interactive && laneClass(lane.id) === "batch") return { out: "not-allowed", why: "a caller is waiting on the connection" };
  if (chain.refused !== null) return { out: "untranslatable", why: `the request cannot be put to it: ${chain.refused}` };
  if (job.lanesTried.some((t) => t.outcome === "rejected")) return { out: "rejected", why: "the model would not have the request" };
  if (!lane.available || (lane.id === "pool" && snapshot.pool === null)) return { out: "unavailable", why: lane.away ?? "not available right now" };
  if (lane.awayModels?.includes(model)) return { out: "unavailable", why: `its provider is failing for ${model}` };
  // What the provider refuses in real time it will not do more slowly.
  const alike = chain.chained && laneClass(lane.id) === "flex" ? laneProvider(lane.id) : lane.id;
  const tried = job.lanesTried.filter((t) => t.lane === lane.id || t.lane === alike);
  if (job.interactive && tried.some((t) => t.outcome === "parked")) return { out: "unavailable", why: "its quota or spend cap is reached" };
  if (job.interactive && tried.some((t) => t.outcome === "busy")) return { out: "unavailable", why: "asks for a longer pause than there is time" };
  if (laneClass(lane.id) === "batch" && tried.some((t) => t.outcome === "missed"))
    return { out: "tried", why: "a batch of it ended without this answer" };
  if (laneClass(lane.id) === "batch" && tried.filter((t) => t.outcome === "recalled").length >= policy.recalls)
    return { out: "tried", why: "was taken back from its batches often enough" };
  // Work that can wait goes back to the cheap lane after a pause; its latest start takes it elsewhere in time.
  const realtime = laneClass(lane.id) === "realtime";
  const hurried = job.interactive || job.deadlineAtMs === null || (chain.chained && realtime);
  const answersNow = chain.chained && (realtime || laneClass(lane.id) === "flex");
  const most = answersNow ? policy.chainTries : policy.laneTries;
  // A provider that was not heard of once is not the one to ask again where another may answer.
  if (answersNow && tried.some((t) => t.outcome === "unheard")) return { out: "tried", why: "was asked and not heard of" };
  if (hurried && tried.filter((t) => t.outcome === "refused" || t.outcome === "unsent").length >= most)
    return { out: "tried", why: "refused too often" };
  return null;
}

/** Whether the lane could run the job if everything were well: some candidate lives there and its model speaks the endpoint. */
function servable(job: PlanJob, snapshot: Snapshot, lane: LaneId): { model: string } | null {
  const route = routeOn(lane, job.candidates);
  if (route === null) return null;
  const known = snapshot.book.names.get(route.model);
  if (known !== undefined && !known.endpoints.includes(job.endpoint)) return null;
  // The flex tier exists for generated text only.
  if (lane === "openai-flex" && job.endpoint !== "/v1/chat/completions" && job.endpoint !== "/v1/responses") return null;
  return { model: route.model };
}

/** Every lane that could serve the job with its own model, judged; lanes that cannot serve it at all are left out. */
export function options(job: PlanJob, chain: ChainPlace, snapshot: Snapshot, nowMs: number): Option[] {
  const context = new Context(job, chain, snapshot, nowMs);
  const judged: Option[] = [];
  for (const bare of snapshot.lanes) {
    const served = bare.id === "cache" ? null : servable(job, snapshot, bare.id);
    if (served === null) continue;
    const lane = onModel(bare, served.model);
    const bar = barred(context, lane, served.model);
    const cost = quote(snapshot.book, job, lane.id, nowMs);
    const price = cost.unpriced ? null : cost.nano;
    // A known model without a price for this tier is not sold there: the lane does not serve it.
    if (price === null && laneClass(lane.id) !== "realtime" && snapshot.book.names.has(served.model)) continue;
    const room = roomOn(job, lane.id, served.model);
    if (bar !== null) judged.push(left(lane.id, served.model, price, bar.out, bar.why));
    else if (room?.waitMs === Number.POSITIVE_INFINITY) judged.push(left(lane.id, served.model, price, "too-large", room.why));
    else {
      const there = { view: lane, model: served.model, room };
      judged.push(withRoom(there.room, price === null ? unpricedOption(context, there) : withCache(context, priced(context, there, price))));
    }
  }
  // A job whose turn did not come once has waited enough.
  const mayWait = snapshot.pool?.ahead !== undefined && !job.lanesTried.some((tried) => tried.lane === "pool");
  return mayWait ? withReservoir(judged, context) : withBidPrice(judged, context);
}

/** A lane with the model that would run there, and how long its quota would let the job wait. */
interface There {
  readonly view: LaneView;
  readonly model: string;
  readonly room: LaneRoom | null;
}

/** What a full quota means for the job on a lane; `null` where there is room now. */
const roomOn = (job: PlanJob, lane: LaneId, model: string): LaneRoom | null => {
  const room = job.rooms?.get(roomKey(lane, model));
  return room !== undefined && room.waitMs > 0 ? room : null;
};

/** An option says what it would wait for. */
const withRoom = (room: LaneRoom | null, option: Option): Option =>
  room === null || (option.out !== null && option.out !== "too-late") ? option : { ...option, why: `${option.why}; ${room.why}` };

/** Takes the prompt cache's part off the expectation; what a job may cost at most is bounded without it. */
function withCache({ job, snapshot, nowMs }: Context, option: Option): Option {
  if (option.expectedNano === null || job.shared == null) return option;
  const saved = cacheSavingNano(snapshot.book, job, option.lane, nowMs);
  const chance = laneClass(option.lane) === "batch" ? option.inTime : 1;
  return { ...option, expectedNano: option.expectedNano - share(saved, chance) };
}

const never = (): number => 0;

const left = (lane: LaneId, model: string, priceNano: bigint | null, out: Out, why: string): Option => ({
  lane,
  model,
  out,
  why,
  priceNano,
  expectedNano: null,
  worstNano: null,
  inTime: 0,
  latestStartAtMs: null,
  finishMs: Number.POSITIVE_INFINITY,
  needsMs: Number.POSITIVE_INFINITY,
  doneBy: never,
  missed: null,
  mend: null,
});

function rescueFor(judging: Judging, nowMs: number): Rescue | null {
  const { job, snapshot } = judging;
  let best: Rescue | null = null;
  for (const bare of snapshot.lanes) {
    const served = laneClass(bare.id) === "realtime" ? servable(job, snapshot, bare.id) : null;
    if (served === null || barred(judging, bare, served.model) !== null) continue;
    const view = onModel(bare, served.model);
    const cost = quote(snapshot.book, job, view.id, nowMs);
    if (cost.unpriced || (job.maxCostNano !== null && cost.nano > job.maxCostNano)) continue;
    if (best === null || queueMs(view, job.outputTokens, snapshot.scale) < queueMs(best.view, job.outputTokens, snapshot.scale))
      best = { view, priceNano: cost.nano };
  }
  return best;
}

/** Machine time that passes before a lane sees the job, in job ms: nothing for a caller on the line. */
const startMs = (context: Context): number => (context.job.interactive ? 0 : context.snapshot.tickMs * context.snapshot.scale);

interface Speed {
  readonly finishMs: number;
  readonly cdf: (ms: number) => number;
  readonly needsMs: number;
}

function speedOf(context: Context, { view: lane, room }: There): Speed {
  const { job, snapshot } = context;
  const policy = policyOf(snapshot);
  const start = startMs(context);
  switch (laneClass(lane.id)) {
    case "pool": {
      const pool = poolBefore(snapshot.pool ?? { tokensPerSecond: 1, backlogTokens: 0 }, job.deadlineAtMs);
      const tokens = poolTokens(pool, job);
      const mean = poolMeanMs(pool, tokens, snapshot.scale);
      return { finishMs: start + mean, cdf: (ms) => poolCdf(ms - start, pool, tokens, snapshot.scale, policy), needsMs: start + mean * 1.6 };
    }
    case "batch": {
      const delay = start + policy.pollMs + (room?.waitMs ?? 0);
      const seen = snapshot.turnaround?.get(lane.id);
      const q90 = batchQuantile(policy.unrescuedInTime, snapshot.batchLines, seen) ?? Number.POSITIVE_INFINITY;
      const median = batchQuantile(0.5, snapshot.batchLines, seen) ?? Number.POSITIVE_INFINITY;
      return { finishMs: delay + median, cdf: (ms) => batchCdf(ms - delay, snapshot.batchLines, seen), needsMs: delay + q90 };
    }
    case "flex": {
      const queue = start + queueMs(lane, job.outputTokens, snapshot.scale);
      return { finishMs: queue + 60_000, cdf: (ms) => flexCdf(ms - queue, job.outputTokens, policy), needsMs: queue + 600_000 };
    }
    default: {
      const queue = start + queueMs(lane, job.outputTokens, snapshot.scale) + policy.callOverheadRealMs * snapshot.scale;
      return {
        finishMs: queue + realtimeMeanMs(job.outputTokens),
        cdf: (ms) => realtimeCdf(ms - queue, job.outputTokens),
        needsMs: queue + realtimeQ99Ms(job.outputTokens) + policy.guardMinMs,
      };
    }
  }
}

function unpricedOption(context: Context, there: There): Option {
  const { job } = context;
  const bar = (out: Out, why: string): Option => left(there.view.id, there.model, null, out, why);
  if (!job.allowUnpriced) return bar("unpriced", "the book has no price for it");
  if (job.maxCostNano !== null) return bar("too-dear", "without a price no cost bound can be kept");
  const speed = speedOf(context, there);
  const slack = job.deadlineAtMs === null ? Number.POSITIVE_INFINITY : job.deadlineAtMs - context.nowMs;
  const inTime = job.deadlineAtMs === null ? 1 : speed.cdf(slack);
  return {
    ...bar("too-late", ""),
    finishMs: speed.finishMs,
    needsMs: speed.needsMs,
    doneBy: speed.cdf,
    missed: job.deadlineAtMs === null ? null : 1 - inTime,
    inTime,
    out: inTime >= policyOf(context.snapshot).admitInTime ? null : "too-late",
    why: "unpriced, as the tenant allows",
  };
}

function priced(context: Context, there: There, priceNano: bigint): Option {
  const { job, nowMs } = context;
  const policy = policyOf(context.snapshot);
  const { view: lane, model } = there;
  const speed = speedOf(context, there);
  const missed = job.deadlineAtMs === null ? null : 1 - speed.cdf(job.deadlineAtMs - nowMs);
  const base = { lane: lane.id, model, priceNano, finishMs: speed.finishMs, needsMs: speed.needsMs, doneBy: speed.cdf, missed, mend: null };
  const tooDear = (worst: bigint): boolean => job.maxCostNano !== null && worst > job.maxCostNano;
  if (job.deadlineAtMs === null || laneClass(lane.id) === "realtime") {
    const inTime = job.deadlineAtMs === null ? 1 : speed.cdf(job.deadlineAtMs - nowMs);
    const out: Out | null = tooDear(priceNano) ? "too-dear" : inTime < policy.admitInTime ? "too-late" : null;
    const why =
      out === "too-dear" ? "above the job's cost bound" : job.deadlineAtMs === null ? "no deadline to wait for" : `in time with ${percent(inTime)}`;
    return { ...base, out, why, expectedNano: priceNano, worstNano: priceNano, inTime, latestStartAtMs: null };
  }
  const deadlineAtMs = job.deadlineAtMs;
  const variants = rescued(context, lane, priceNano, deadlineAtMs, speed);
  const kept = variants.filter((v) => !tooDear(v.worstNano));
  const best = kept.reduce<Variant | null>((a, b) => (a === null || b.expectedNano < a.expectedNano ? b : a), null);
  const inTime = speed.cdf(deadlineAtMs - nowMs);
  const needed = context.rescue === null ? policy.unrescuedInTime : policy.unrescuedBesideRealtime;
  // Where the rescue instant is nearly now, the lane by itself may still be all but certain, and far cheaper.
  const sure = inTime >= needed && !tooDear(priceNano);
  if (best !== null && !(sure && best.expectedNano > share(priceNano, 1 + policy.equalCost))) return { ...base, ...best, out: null };
  const latestStartAtMs = laneClass(lane.id) === "pool" ? lookAgainAtMs(context, lane.id, deadlineAtMs) : null;
  const alone = { ...base, expectedNano: priceNano, worstNano: priceNano, inTime, latestStartAtMs };
  if (tooDear(priceNano)) return { ...alone, out: "too-dear", why: "above the job's cost bound" };
  if (sure) return { ...alone, out: null, why: `no rescue behind it, in time with ${percent(inTime)}` };
  return { ...alone, out: "too-late", why: `no rescue behind it, in time with only ${percent(inTime)}` };
}

/**
 * When work that stands in the pool with no rescue behind it is looked at once more: a real-time line that is too long now may be short by then, and what is due
 * earlier may have overtaken the work in the pool. `null` where even an empty line would come too late.
 */
function lookAgainAtMs({ job, snapshot, nowMs, rescue }: Context, lane: LaneId, deadlineAtMs: number): number | null {
  if (rescue === null) return null;
  const { rate: _, ...view } = rescue.view;
  const facts = { outputTokens: job.outputTokens, deadlineAtMs, together: 1 };
  const atMs = rescueAtMs(lane, "hedge", { ...view, queued: 0 }, facts, snapshot, nowMs);
  return atMs > nowMs ? atMs : null;
}

type Variant = Pick<Option, "why" | "inTime" | "latestStartAtMs" | "doneBy" | "missed" | "mend"> & {
  readonly expectedNano: bigint;
  readonly worstNano: bigint;
};

/** The lane with a rescue behind it: p·c + (1 − p)·(c_rt + w·c), with the batch cancelled first where that fits, else hedged. */
function rescued(context: Context, lane: LaneView, priceNano: bigint, deadlineAtMs: number, speed: Speed): Variant[] {
  const { job, snapshot, nowMs, rescue } = context;
  const policy = policyOf(snapshot);
  if (rescue === null) return [];
  const batch = laneClass(lane.id) === "batch";
  const together = batch ? snapshot.batchLines : 1;
  const found: Variant[] = [];
  for (const how of batch ? (["cancel", "hedge"] as const) : (["hedge"] as const)) {
    const waste = !batch ? policy.wasteCall : how === "cancel" ? policy.wasteCancelled : policy.wasteHedged;
    const facts = { outputTokens: job.outputTokens, deadlineAtMs, together };
    const latestStartAtMs = rescueAtMs(lane.id, how, rescue.view, facts, snapshot, nowMs);
    if (latestStartAtMs <= nowMs) continue;
    const startsMs = latestStartAtMs - nowMs;
    const inTime = speed.cdf(startsMs);
    if (laneClass(lane.id) === "pool" && inTime < policy.poolTurn) continue;
    const { expectedNano, worstNano } = mendedCost(priceNano, rescue.priceNano, waste, inTime);
    const mended = (ms: number): number => rescueCdf(ms - startsMs, lane.id, how, rescue.view, facts, snapshot);
    const least = leastChance(priceNano, rescue.priceNano, waste);
    const mend = !batch ? "then real time" : how === "cancel" ? "else cancel and rescue" : "else hedge in real time";
    found.push({
      inTime,
      latestStartAtMs,
      worstNano,
      expectedNano,
      doneBy: (ms) => (ms <= startsMs ? speed.cdf(ms) : inTime + (1 - inTime) * mended(ms)),
      missed: (1 - inTime) * (1 - mended(deadlineAtMs - nowMs)),
      mend: { lane: rescue.view.id, waste },
      why: `in hand before the rescue with ${percent(inTime)} (pays from ${percent(least)}), ${mend}`,
    });
  }
  return found;
}

/** Keeps a busy pool for the jobs that have no cheap way out: its bid price rises with its waiting time up to the whole saving. */
function withBidPrice(judged: readonly Option[], context: Context): Option[] {
  const { snapshot, job } = context;
  if (snapshot.pool === null || job.deadlineAtMs === null) return [...judged];
  const { rescue } = context;
  if (rescue === null) return [...judged];
  const others = judged.flatMap((o) => (o.lane !== "pool" && o.out === null && o.expectedNano !== null ? [o.expectedNano] : []));
  const cheapest = others.reduce((a, b) => (b < a ? b : a), rescue.priceNano);
  const waitMs = poolMeanMs(poolBefore(snapshot.pool, job.deadlineAtMs), 0, snapshot.scale);
  return judged.map((option) => {
    if (option.lane !== "pool" || option.out !== null || option.priceNano === null || cheapest >= rescue.priceNano) return option;
    const bid = share(rescue.priceNano - option.priceNano, Math.min(1, waitMs / policyOf(snapshot).poolBidRefMs));
    return cheapest - option.priceNano >= bid ? option : { ...option, out: "kept", why: "the pool is kept for jobs with less slack" };
  });
}

/**
 * A pool that serves by deadline loses nothing by a long line: what is due later never stands in the way. So work that can wait stands in that line for as
 * long as its next cheapest lane stays as good, and goes there when its turn has not come by then: the pool is never idle, and nobody waits for it in vain.
 */
function withReservoir(judged: readonly Option[], context: Context): Option[] {
  const { job, snapshot, nowMs } = context;
  const { deadlineAtMs } = job;
  if (snapshot.pool === null || deadlineAtMs === null) return [...judged];
  const others = judged.filter((o) => o.lane !== "pool" && o.out === null && o.expectedNano !== null);
  const next = others.reduce<Option | null>((a, b) => (a === null || (b.expectedNano ?? 0n) < (a.expectedNano ?? 0n) ? b : a), null);
  if (next === null || next.expectedNano === null || next.worstNano === null) return [...judged];
  const waitMs = patienceMs(context, next.lane, deadlineAtMs - nowMs);
  if (waitMs <= 0) return withBidPrice(judged, context);
  return judged.map((option) => {
    if (option.lane !== "pool" || option.priceNano === null || (option.out !== null && option.out !== "too-late")) return option;
    const view = snapshot.lanes.find((lane) => lane.id === "pool");
    const inTime = view === undefined ? 0 : speedOf(context, { view, model: option.model, room: null }).cdf(waitMs);
    if (inTime < policyOf(snapshot).poolTurn)
      return { ...option, out: "kept", why: `its turn comes with only ${percent(inTime)} while ${next.lane} can wait` };
    const expectedNano = share(option.priceNano, inTime) + share(next.expectedNano ?? 0n, 1 - inTime);
    const worstNano = next.worstNano ?? option.priceNano;
    if (job.maxCostNano !== null && worstNano > job.maxCostNano) return { ...option, out: "too-dear", why: "above the job's cost bound" };
    const why = `its turn comes with ${percent(inTime)} while ${next.lane} can wait`;
    const after = (ms: number): number => (ms <= waitMs ? 0 : next.doneBy(ms - waitMs));
    const doneBy = (ms: number): number => (ms <= waitMs ? option.doneBy(ms) : inTime + (1 - inTime) * after(ms));
    const missed = 1 - doneBy(deadlineAtMs - nowMs);
    return { ...option, out: null, expectedNano, worstNano, inTime, doneBy, missed, latestStartAtMs: Math.floor(nowMs + waitMs), why };
  });
}

/** How long (ms) a lane stays as good for a job as it is now; 0 where every second counts. */
function patienceMs({ snapshot }: Context, lane: LaneId, slackMs: number): number {
  const kind = laneClass(lane);
  if (kind === "flex") return slackMs - policyOf(snapshot).flexRoomMs;
  if (kind !== "batch") return 0;
  const q95 = batchQuantile(0.95, snapshot.batchLines, snapshot.turnaround?.get(lane));
  return q95 === null ? 0 : Math.min(slackMs - q95 - 2 * policyOf(snapshot).cancelLagMs, slackMs * policyOf(snapshot).batchPatience);
}
