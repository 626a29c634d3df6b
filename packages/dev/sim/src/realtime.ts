import type { LaneId } from "@slowboat/contract";
import { createFairLine, createNaiveLine, type FairTurn, hopelessFromMs, latestStartMs, POLICY } from "@slowboat/plan";
import type { Audit } from "./audit.ts";
import type { Dice } from "./dice.ts";
import type { Engine } from "./engine.ts";
import { isOver, type JobState, type SimJob, workOf } from "./job.ts";
import type { WorldSpec } from "./spec.ts";

const LATENCY = { medianMs: 6_000, sigma: 0.5 };
export const TOKENS_PER_MS = 0.06;
/** How much of a minute's limit may be used at once. */
const BURST_SECONDS = 60;

/** With less time left than this, or than a slow call takes, a call does not wait for room. */
const HURRIED_MS = 40_000;
const SLOW_MS = LATENCY.medianMs * Math.exp(LATENCY.sigma * 3.1);
/** What must be left of the limit for a call that does not wait for room. */
const SOMETHING = 1;

/** How long a line is told of first, and again whenever it is a quarter longer. */
const TELL_SECONDS = POLICY.burstMs / 1000;

interface Call extends FairTurn {
  readonly state: JobState;
  readonly nano: bigint;
}

/**
 * A provider's real-time lane: calls begin while anything is left of its rate limit and take the rest in advance, in the order of the line that the house's own gates
 * use. A house that `relegates` orders a tenant's calls by latest start, says which are too late and which yield, and lets a call that has time wait until there is room
 * for all of it, so that nobody who comes meanwhile stands behind what it took in advance; others go by deadline alone.
 */
export interface Realtime {
  /** Tells of a job that arrives, wherever it will go. */
  arrives(state: JobState): void;
  /** Puts a call in line; `done` gets its answer, `dropped` is called where the job was answered before the call began. `urgent`: a rescue. */
  send(state: JobState, nano: bigint, urgent: boolean): void;
  /** Work in line that would go before a job of that deadline; in prompt tokens. */
  waitingWork(job: Pick<SimJob, "deadlineAtMs">): number;
}

export function createRealtime(
  ground: { readonly spec: WorldSpec; readonly engine: Engine; readonly dice: Dice; readonly audit: Audit; readonly relegates: boolean },
  lane: LaneId,
  on: {
    readonly answered: (state: JobState, lane: LaneId, nano: bigint) => void;
    readonly dropped: (state: JobState, nano: bigint) => void;
    readonly contended: (lane: LaneId) => void;
  },
): Realtime {
  const { spec, engine, dice, audit, relegates } = ground;
  const rate = spec.realtimeRate[lane] ?? 1;
  const cap = rate * BURST_SECONDS;
  const line = createFairLine<Call>(undefined, engine.nowMs);
  const naive = createNaiveLine();
  const yielding = new WeakSet<JobState>();
  const waitingTenants = new Map<string, number>();
  let queued = 0;
  let level = cap;
  let levelAtMs = engine.nowMs();
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let toldSeconds = TELL_SECONDS;

  const refill = (): void => {
    level = Math.min(cap, level + (rate * (engine.nowMs() - levelAtMs)) / 1000);
    levelAtMs = engine.nowMs();
  };
  const turnOf = (state: JobState): Omit<FairTurn, "urgent"> => {
    const { tenant, deadlineAtMs, arrivedAtMs, outputTokens } = state.job;
    const own = { tenant, work: workOf(state.job) };
    if (deadlineAtMs === null) return { ...own, dueAtMs: arrivedAtMs };
    if (!relegates) return { ...own, dueAtMs: deadlineAtMs };
    // What a call takes in advance holds up those behind it, not itself.
    const dueAtMs = latestStartMs({ outputTokens, deadlineAtMs }) + (own.work / rate) * 1000;
    return { ...own, dueAtMs, lateAtMs: deadlineAtMs, yields: yielding.has(state) };
  };
  const leave = ({ tenant, work }: Call): void => {
    queued -= work;
    const left = (waitingTenants.get(tenant) ?? 1) - 1;
    if (left === 0) waitingTenants.delete(tenant);
    else waitingTenants.set(tenant, left);
  };
  const begin = (call: Call): void => {
    const { job } = call.state;
    level -= call.work;
    audit.served(lane, call.tenant, call.work, line.jumps, waitingTenants);
    line.serve(call);
    leave(call);
    const tookMs = dice.logNormal("call", LATENCY, job.no, call.state.realtimeCalls++) + job.outputTokens / TOKENS_PER_MS;
    engine.at(engine.nowMs() + tookMs, () => on.answered(call.state, lane, call.nano));
  };
  const drop = (call: Call): void => {
    line.leave(call);
    leave(call);
    on.dropped(call.state, call.nano);
  };
  const head = (): Call | null => (spec.plant === "first-come" ? ([...line][0] ?? null) : line.peek());
  /** From when on a call takes what is left of the limit: at once without a deadline or in a house that knows no better, never where it is too late or yields. */
  const hurriedFrom = (call: Call): number => {
    const { deadlineAtMs, outputTokens } = call.state.job;
    if (!relegates || deadlineAtMs === null) return Number.NEGATIVE_INFINITY;
    if (deadlineAtMs <= engine.nowMs() || call.yields === true) return Number.POSITIVE_INFINITY;
    return deadlineAtMs - Math.max(HURRIED_MS, SLOW_MS + outputTokens / TOKENS_PER_MS);
  };
  const serve = (): void => {
    refill();
    for (let call = head(); call !== null; call = head()) {
      const hurriedIn = hurriedFrom(call) - engine.nowMs();
      const needs = hurriedIn <= 0 ? SOMETHING : Math.min(call.work, cap);
      if (isOver(call.state)) drop(call);
      else if (level >= needs) begin(call);
      else {
        const roomMs = ((needs - level) / rate) * 1000;
        wakeIn(hurriedIn > 0 ? Math.min(roomMs, hurriedIn) : roomMs);
        return;
      }
    }
  };
  const wakeIn = (ms: number): void => {
    const atMs = engine.nowMs() + Math.max(1, ms);
    if (atMs >= wakeAtMs) return;
    wakeAtMs = atMs;
    engine.at(atMs, () => {
      if (wakeAtMs !== atMs) return;
      wakeAtMs = Number.POSITIVE_INFINITY;
      serve();
    });
  };
  return {
    arrives(state) {
      const { deadlineAtMs, outputTokens } = state.job;
      if (!relegates || deadlineAtMs === null) return;
      const dated = { outputTokens, deadlineAtMs };
      const arrival = { work: workOf(state.job), deadlineAtMs, startByMs: hopelessFromMs(dated) };
      if (!naive.arrives(arrival, { perSecond: rate, atOnce: cap }, engine.nowMs())) yielding.add(state);
    },
    send(state, nano, urgent) {
      const call = { ...turnOf(state), urgent, state, nano };
      queued += call.work;
      if (!waitingTenants.has(call.tenant)) audit.waits(lane, call.tenant, waitingTenants);
      waitingTenants.set(call.tenant, (waitingTenants.get(call.tenant) ?? 0) + 1);
      line.join(call);
      serve();
      const waitSeconds = queued / rate;
      if (waitSeconds < toldSeconds / 4) toldSeconds = Math.max(TELL_SECONDS, waitSeconds);
      if (waitSeconds < toldSeconds) return;
      toldSeconds = waitSeconds * 1.25;
      on.contended(lane);
    },
    waitingWork({ deadlineAtMs }) {
      refill();
      let ahead = Math.max(0, -level);
      const nowMs = engine.nowMs();
      for (const { state, work, lateAtMs } of line) {
        if (deadlineAtMs !== null && (state.job.deadlineAtMs ?? 0) > deadlineAtMs) continue;
        if (lateAtMs === undefined || lateAtMs > nowMs) ahead += work;
      }
      return ahead;
    },
  };
}
