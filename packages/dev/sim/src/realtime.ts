import type { LaneId } from "@slowboat/contract";
import { createFairShares } from "@slowboat/plan";
import type { Audit } from "./audit.ts";
import type { Dice } from "./dice.ts";
import type { Engine } from "./engine.ts";
import { isOver, type JobState, workOf } from "./job.ts";
import type { WorldSpec } from "./spec.ts";

const LATENCY = { medianMs: 6_000, sigma: 0.5 };
export const TOKENS_PER_MS = 0.06;
/** How much of a minute's limit may be used at once. */
const BURST_SECONDS = 60;

/** How long a line is told of first, and again whenever it is a quarter longer. */
const TELL_SECONDS = 4;

interface Waiting {
  readonly state: JobState;
  readonly nano: bigint;
  readonly work: number;
}

/** A provider's real-time lane: calls start as its rate limit lets them, those with a deadline first and by it, the others by fair shares. */
export interface Realtime {
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
  let level = rate * BURST_SECONDS;
  let levelAtMs = engine.nowMs();
  let woken = false;
  let toldSeconds = TELL_SECONDS;
  let arrivals: Waiting[] = [];

  const refill = (): void => {
    level = Math.min(rate * BURST_SECONDS, level + (rate * (engine.nowMs() - levelAtMs)) / 1000);
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
  const isHopeless = ({ state: { job } }: Waiting): boolean =>
    ground.relegates && (job.deadlineAtMs ?? 0) < engine.nowMs() + 0.1 * LATENCY.medianMs + job.outputTokens / TOKENS_PER_MS;
  const nextDated = (): Waiting | undefined => {
    for (let call = byDeadline.shift(); call !== undefined; call = byDeadline.shift()) {
      if (isOver(call.state) || !isHopeless(call)) return call;
      hopeless.push(call);
    }
    return undefined;
  };
  /** What must be in the bucket for the next call: something; for one that is late anyway all it needs, so that it never stands in the way of others. */
  const needed = (): number => {
    const [late] = hopeless;
    return late !== undefined && byDeadline.length === 0 && waitingTenants.size === 0 ? Math.min(late.work, rate * BURST_SECONDS) : 0;
  };
  const next = (): boolean => {
    const urgent = nextDated();
    const call = urgent ?? nextFair() ?? (level >= needed() ? hopeless.shift() : undefined);
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
    if (woken || queued <= 0) return;
    woken = true;
    engine.at(engine.nowMs() + Math.max(1, ((Math.max(1, needed()) - level) / rate) * 1000), () => {
      woken = false;
      serve();
    });
  };
  return {
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
        while (at > 0 && (byDeadline[at - 1]?.state.job.deadlineAtMs ?? 0) > deadlineAtMs) at--;
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
