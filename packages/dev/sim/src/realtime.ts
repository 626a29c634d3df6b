import type { LaneId } from "@slowboat/contract";
import { createFairShares, POLICY } from "@slowboat/plan";
import type { Audit } from "./audit.ts";
import type { Dice } from "./dice.ts";
import type { Engine } from "./engine.ts";
import { isOver, type JobState, workOf } from "./job.ts";
import { createNaiveLine } from "./naive-line.ts";
import type { WorldSpec } from "./spec.ts";

const LATENCY = { medianMs: 6_000, sigma: 0.5 };
export const TOKENS_PER_MS = 0.06;
/** How much of a minute's limit may be used at once. */
const BURST_SECONDS = 60;

/** Spreads of the latency's logarithm: what is usual, what nine in ten stay within, and what all but one in thousands do. */
const USUAL = 0;
const LIKELY = 1.3;
const SURE = 3.1;
const takesMs = ({ job }: JobState, spreads: number): number =>
  LATENCY.medianMs * Math.exp(LATENCY.sigma * spreads) + job.outputTokens / TOKENS_PER_MS;
const dueOf = ({ job }: JobState): number => job.deadlineAtMs ?? 0;

/** With less time left than this, a call does not wait for room. */
const HURRIED_MS = 40_000;

/** How long a line is told of first, and again whenever it is a quarter longer. */
const TELL_SECONDS = POLICY.burstMs / 1000;

interface Waiting {
  readonly state: JobState;
  readonly nano: bigint;
  readonly work: number;
}

/**
 * A provider's real-time lane: calls start as its rate limit lets them, those with a deadline first and by it, the others by fair shares. A house that `relegates`
 * keeps four rules more. Where calls take of the limit in advance, what is large may begin later without harm to itself, and harms the others less (`rankOf`). A call
 * that can no longer be in time lets the others pass. One that has time waits until the limit has room for all of it, so that nobody who comes meanwhile stands behind
 * what it took in advance. And one that would have been late in the naive line, too, does not make another late that would not.
 */
export interface Realtime {
  /** Tells of a job that arrives, wherever it will go. */
  arrives(state: JobState): void;
  /** Puts a call in line; `done` gets its answer, `dropped` is called where the job was answered before the call began. */
  send(state: JobState, nano: bigint): void;
  /** Work in line that would go before a job of that deadline, what was used in advance counted in; in prompt tokens. */
  waitingWork(deadlineAtMs: number | null): number;
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
  const { spec, engine, dice, audit } = ground;
  const rate = spec.realtimeRate[lane] ?? 1;
  const byDeadline: Waiting[] = [];
  const hopeless: Waiting[] = [];
  const byTenant = new Map<string, Waiting[]>();
  const shares = createFairShares();
  const waitingTenants = new Set<string>();
  let queued = 0;
  const cap = rate * BURST_SECONDS;
  let level = cap;
  let levelAtMs = engine.nowMs();
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let toldSeconds = TELL_SECONDS;
  let arrivals: Waiting[] = [];

  /**
   * A call's place among those with a deadline. It begins while anything is left of the limit, so that what it takes holds up those behind it, not itself: the
   * least lateness comes of going by the latest start and the time that the work takes of the limit, together (Jackson's rule, with the two ends changed over).
   */
  const rankOf = (state: JobState): number =>
    ground.relegates ? dueOf(state) - state.job.outputTokens / TOKENS_PER_MS + (workOf(state.job) / rate) * 1000 : dueOf(state);

  const naive = createNaiveLine(rate, cap, engine.nowMs);
  const refill = (): void => {
    level = Math.min(cap, level + (rate * (engine.nowMs() - levelAtMs)) / 1000);
    levelAtMs = engine.nowMs();
  };
  const begin = (call: Waiting, urgent: boolean): void => {
    level -= call.work;
    queued -= call.work;
    audit.served(lane, call.state.job.tenant, call.work, urgent, waitingTenants);
    shares.charge(call.state.job.tenant, call.work);
    const { job } = call.state;
    const tookMs = dice.logNormal("call", LATENCY, job.no, call.state.realtimeCalls++) + job.outputTokens / TOKENS_PER_MS;
    engine.at(engine.nowMs() + tookMs, () => on.answered(call.state, lane, call.nano));
  };
  const drop = (call: Waiting): void => {
    queued -= call.work;
    on.dropped(call.state, call.nano);
  };
  const nextFair = (): Waiting | null => {
    const tenant = spec.plant === "first-come" ? (arrivals.shift()?.state.job.tenant ?? null) : shares.next();
    if (tenant === null) return null;
    const line = byTenant.get(tenant) ?? [];
    return line[0] ?? null;
  };
  const leave = (call: Waiting): void => {
    const { tenant } = call.state.job;
    const line = byTenant.get(tenant) ?? [];
    line.shift();
    if (line.length > 0) return;
    shares.rest(tenant);
    waitingTenants.delete(tenant);
  };
  const isHopeless = ({ state }: Waiting): boolean =>
    ground.relegates && dueOf(state) < engine.nowMs() + 0.1 * LATENCY.medianMs + state.job.outputTokens / TOKENS_PER_MS;
  /** The first call of those that the naive line answers in time, where the very first is not one of them and would make one of them late. */
  const wronged = (): Waiting | undefined => {
    const live = byDeadline.filter((call) => !isOver(call.state) && !isHopeless(call));
    const [first] = live;
    if (!ground.relegates || first === undefined || live.length === 1) return undefined;
    const startsAt = naive.startsAt();
    const inTime = ({ state }: Waiting): boolean => startsAt(state) + takesMs(state, USUAL) <= dueOf(state);
    if (inTime(first)) return undefined;
    const owed = live.filter(inTime);
    let ahead = Math.max(0, -level) + first.work;
    for (const { state, work } of owed) {
      if (engine.nowMs() + (ahead / rate) * 1000 > dueOf(state) - takesMs(state, LIKELY)) return owed[0];
      ahead += work;
    }
    return undefined;
  };
  const nextDated = (): Waiting | undefined => {
    const before = wronged();
    if (before !== undefined) {
      byDeadline.splice(byDeadline.indexOf(before), 1);
      return before;
    }
    for (let call = byDeadline.shift(); call !== undefined; call = byDeadline.shift()) {
      if (isOver(call.state) || !isHopeless(call)) return call;
      hopeless.push(call);
    }
    return undefined;
  };
  /** The first in line, while it has the time to wait until there is room for all of it. */
  const saver = (): Waiting | undefined => {
    const first = ground.relegates ? byDeadline.find((call) => !isOver(call.state) && !isHopeless(call)) : undefined;
    return first !== undefined && engine.nowMs() < latestOf(first) ? first : undefined;
  };
  const latestOf = ({ state }: Waiting): number => dueOf(state) - Math.max(HURRIED_MS, takesMs(state, SURE));
  /** What must be in the bucket for the next call: something; for one that has time, or is late anyway, all that it needs. */
  const needed = (): number => {
    const [late] = hopeless;
    const whole = saver() ?? (byDeadline.length === 0 && waitingTenants.size === 0 ? late : undefined);
    return whole === undefined ? 0 : Math.min(whole.work, cap);
  };
  const next = (): boolean => {
    const hasRoom = level >= needed();
    // Work without a deadline is urgent: it does not wait for one that has time.
    const call = (hasRoom ? nextDated() : undefined) ?? nextFair() ?? (hasRoom ? hopeless.shift() : undefined);
    if (call === undefined) return false;
    const dated = call.state.job.deadlineAtMs !== null;
    if (isOver(call.state)) drop(call);
    else begin(call, dated);
    if (!dated) leave(call);
    return true;
  };
  const serve = (): void => {
    refill();
    while (level > 0 && next());
    if (queued <= 0) return;
    const waits = saver();
    const roomMs = Math.max(1, ((Math.max(1, needed()) - level) / rate) * 1000);
    const atMs = engine.nowMs() + (waits === undefined ? roomMs : Math.max(1, Math.min(roomMs, latestOf(waits) - engine.nowMs())));
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
      if (ground.relegates && state.job.deadlineAtMs !== null) naive.arrives(state);
    },
    send(state, nano) {
      const call = { state, nano, work: workOf(state.job) };
      queued += call.work;
      const { deadlineAtMs, tenant } = state.job;
      if (deadlineAtMs === null) {
        const line = byTenant.get(tenant) ?? [];
        byTenant.set(tenant, line);
        line.push(call);
        if (spec.plant === "first-come") arrivals = [...arrivals, call];
        shares.wake(tenant);
        if (!waitingTenants.has(tenant)) audit.waits(lane, tenant, waitingTenants);
        waitingTenants.add(tenant);
      } else {
        let at = byDeadline.length;
        const rank = rankOf(state);
        while (at > 0 && rankOf((byDeadline[at - 1] as Waiting).state) > rank) at--;
        byDeadline.splice(at, 0, call);
      }
      serve();
      const waitSeconds = queued / rate;
      if (waitSeconds < toldSeconds / 4) toldSeconds = Math.max(TELL_SECONDS, waitSeconds);
      if (waitSeconds < toldSeconds) return;
      toldSeconds = waitSeconds * 1.25;
      on.contended(lane);
    },
    waitingWork(deadlineAtMs) {
      refill();
      const debt = Math.max(0, -level);
      if (deadlineAtMs === null) return queued + debt;
      return byDeadline.reduce((sum, call) => sum + ((call.state.job.deadlineAtMs ?? 0) <= deadlineAtMs && !isHopeless(call) ? call.work : 0), debt);
    },
  };
}
