import { type LaneId, laneClass } from "@slowboat/contract";
import { seededRng } from "@slowboat/kernel";
import { decide, type LaneView, type PlanJob, rescueAtMs, restMs, type Snapshot, turnIsLost } from "@slowboat/plan";
import { resolveModel } from "@slowboat/pricing";
import { type Audit, createAudit } from "./audit.ts";
import { type Batches, createBatches } from "./batches.ts";
import { createDice } from "./dice.ts";
import { createEngine, type Engine } from "./engine.ts";
import { isOver, type JobState, type Place, type SimJob, workOf } from "./job.ts";
import { createLedger, type SimLedger } from "./ledger.ts";
import { createMoney } from "./money.ts";
import type { Choice, Policy } from "./policy.ts";
import { createPool, type Pool } from "./pool.ts";
import { createRealtime, type Realtime, TOKENS_PER_MS } from "./realtime.ts";
import { LANES, type WorldSpec, within } from "./spec.ts";

const ENDPOINT = "/v1/chat/completions";
const TICK_MS = 250;
const AWAY_MS = 30_000;
const FLEX = { medianMs: 40_000, sigma: 0.8 };
const DAY_MS = 86_400_000;
/** Width of lanes that only their rate limit bounds. */
const WIDE = 1_000_000;
/** How old the planner's picture of who is away may get where a bug makes it forget to look. */
const STALE_MS = 600_000;

/** What the bench wants to know beside the outcome. */
export interface Watch {
  /** Machine ms, to tell what choices take. */
  readonly clock?: () => number;
  /** Leaves out the checks after every event: for measuring many worlds that were lived through before. */
  readonly unchecked?: boolean;
}

/** The planner's desk in the virtual world: what planning and running jobs is in the house, with virtual lanes behind it. */
export interface Desk {
  readonly engine: Engine;
  readonly audit: Audit;
  readonly ledger: SimLedger;
  arrive(state: JobState): void;
  /** Slack at which rescues began, in ms. */
  readonly rescueSlackMs: number[];
  readonly choiceMs: number[];
  readonly laneWork: Map<LaneId, number>;
  readonly lanePaid: Map<LaneId, bigint>;
}

export function createDesk(spec: WorldSpec, policy: Policy, watch: Watch): Desk {
  const engine = createEngine(spec.startMs);
  const dice = createDice(spec.seed);
  const ledger = createLedger();
  const audit = createAudit(spec, ledger, engine.nowMs);
  const rng = seededRng(spec.seed);
  const meanWork = spec.jobs.reduce((sum, job) => sum + workOf(job), 0) / Math.max(1, spec.jobs.length);
  const known = new Map([...new Set(spec.jobs.map((job) => job.model))].map((model) => [model, resolveModel(spec.book, model)?.candidates ?? []]));
  const rescueSlackMs: number[] = [];
  const choiceMs: number[] = [];
  const laneWork = new Map<LaneId, number>();
  const lanePaid = new Map<LaneId, bigint>();
  const realtimeOf = (model: string): LaneId => known.get(model)?.find(({ provider }) => provider !== "pool")?.provider ?? "openai";
  const here = LANES.filter((lane) => lane !== "pool" || spec.poolRate > 0);
  let pulling = false;

  const { charge, release, reserve } = createMoney({ spec, ledger, audit, known, realtimeOf, nowMs: engine.nowMs }, { laneWork, lanePaid });
  const finish = (state: JobState, kind: "answered" | "failed" | "refused"): void => {
    audit.outcome(state, kind);
    move(state, kind === "answered" ? "done" : kind);
    state.finishedAtMs = engine.nowMs();
    release(state);
  };
  const move = (state: JobState, place: Place): void => {
    state.place = place;
    state.move++;
  };

  // What comes back from lanes.
  const answered = (state: JobState, lane: LaneId, nano: bigint): void => {
    charge(state, lane, nano);
    if (isOver(state)) {
      if (spec.plant === "answer-twice") audit.outcome(state, "answered");
      release(state);
      return;
    }
    if (state.place === "pool" && lane !== "pool") state.openNano -= pool.remove(state);
    if (state.place === "pack") state.openNano -= batches.pull(state) ?? 0n;
    finish(state, "answered");
  };
  const returned = (state: JobState, nano: bigint): boolean => {
    state.openNano -= nano;
    if (isOver(state)) release(state);
    return !isOver(state) && !state.hedged;
  };

  // Lanes.
  const away = (lane: LaneId, atMs: number): boolean => spec.away.some((span) => span.lane === lane && within([span], atMs));
  const laneAway = (lane: LaneId): boolean => {
    const nowMs = engine.nowMs();
    return away(lane, spec.plant === "stale-view" ? Math.max(spec.startMs, nowMs - STALE_MS) : nowMs);
  };
  const snapshot = (job: SimJob): Snapshot => {
    const turnaround = new Map();
    const lanes = here.map((id): LaneView => {
      const base = { id, emulated: true, available: !laneAway(id), concurrency: WIDE, queued: 0 };
      if (laneClass(id) === "batch") {
        const lesson = batches.learned(id);
        if (lesson !== undefined) turnaround.set(id, lesson);
      }
      const line = realtime.get(id);
      return line === undefined
        ? base
        : { ...base, rate: { perSecond: (spec.realtimeRate[id] ?? 1) / meanWork, waiting: line.waitingWork(job) / meanWork } };
    });
    return {
      book: spec.book,
      lanes,
      pool: pool.view(),
      tickMs: TICK_MS,
      scale: 1,
      ...spec.pace,
      batchLines: 1 + batches.packed(job.model),
      turnaround,
      policy: policy.values,
    };
  };
  const planJob = (state: JobState, role: PlanJob["role"], deny: readonly LaneId[] | null = state.job.deny): PlanJob => ({
    model: state.job.model,
    candidates: known.get(state.job.model) ?? [],
    endpoint: state.job.endpoint ?? ENDPOINT,
    inputTokens: state.job.inputTokens,
    outputTokens: state.job.outputTokens,
    deadlineAtMs: state.job.deadlineAtMs,
    allow: null,
    deny,
    maxCostNano: state.reservedNano === null || spec.plant === "overspend" ? null : state.reservedNano - state.spentNano - state.openNano,
    allowUnpriced: false,
    cached: false,
    interactive: false,
    attempts: state.lost,
    lanesTried: state.tried,
    role,
  });
  const choose = (state: JobState, role: PlanJob["role"]): Choice => {
    const view = snapshot(state.job);
    const started = watch.clock?.();
    const job = planJob(state, role, spec.plant === "forget-deny" && role === "retry" ? null : state.job.deny);
    const choice = role === "rescue" ? byDecide(job, view, engine.nowMs()) : policy.choose(job, view, engine.nowMs());
    if (started !== undefined && watch.clock !== undefined) choiceMs.push(watch.clock() - started);
    return choice;
  };

  const plan = (state: JobState, role: PlanJob["role"]): void => {
    audit.looked(state);
    const choice = choose(state, role);
    if (choice.kind !== "place") {
      if (choice.kind === "fail") finish(state, "failed");
      else wait(state, engine.nowMs() + AWAY_MS, role);
      return;
    }
    if (role === "rescue" && state.job.deadlineAtMs !== null) rescueSlackMs.push(state.job.deadlineAtMs - engine.nowMs());
    place(state, choice, role);
  };
  const place = (state: JobState, choice: Extract<Choice, { kind: "place" }>, role: PlanJob["role"]): void => {
    const { lane, latestStartAtMs, priceNano } = choice;
    audit.placed(state, lane, latestStartAtMs);
    if (state.lane !== lane) state.laneTries = 0;
    state.lane = lane;
    state.latestStartAtMs = latestStartAtMs;
    state.openNano += priceNano;
    const kind = laneClass(lane);
    move(state, kind === "batch" ? "pack" : (kind as Place));
    watchStart(state);
    if (kind === "batch") batches.add(state, lane, priceNano);
    else if (kind === "pool") pool.add(state, priceNano);
    else if (kind === "flex") flex(state, priceNano);
    else (realtime.get(lane) as Realtime).send(state, priceNano, role === "rescue");
  };
  const watchStart = (state: JobState, atMs: number | null = state.latestStartAtMs): void => {
    if (atMs === null) return;
    const { move: mine } = state;
    engine.at(atMs, () => {
      if (mine === state.move && !isOver(state)) late(state);
    });
  };
  const wait = (state: JobState, untilMs: number, role: PlanJob["role"]): void => {
    move(state, "wait");
    const { move: mine } = state;
    engine.at(untilMs, () => {
      if (mine === state.move && !isOver(state))
        plan(state, state.latestStartAtMs !== null && engine.nowMs() >= state.latestStartAtMs ? "rescue" : role);
    });
  };
  const late = (state: JobState): void => {
    audit.looked(state);
    if (state.place === "pack") state.openNano -= batches.pull(state) ?? 0n;
    else if (state.place === "pool") {
      state.openNano -= pool.remove(state);
      state.tried.push({ lane: "pool", outcome: "unsent" });
      plan(state, mustRescue(state) ? "rescue" : "retry");
      return;
    } else {
      if (state.place === "batch") batches.late(state);
      else if (state.place === "flex") hedge(state);
      return;
    }
    plan(state, "rescue");
  };
  /** Whether only real time can still save the job, as its line is now. */
  const mustRescue = (state: JobState): boolean => {
    const { deadlineAtMs, outputTokens, model } = state.job;
    const view = snapshot(state.job);
    const line = view.lanes.find(({ id }) => id === realtimeOf(model));
    if (deadlineAtMs === null || line === undefined) return false;
    return engine.nowMs() >= rescueAtMs("pool", "hedge", line, { outputTokens, deadlineAtMs, together: 1 }, view, engine.nowMs());
  };
  /**
   * A real-time lane's line has grown: what waits in the pool and counts on that lane as its rescue leaves now where nothing is gained by staying, because its turn does not come
   * before its latest start, or where the longer line leaves no more time.
   */
  const contended = (lane: LaneId): void => {
    let ahead = 0;
    for (const state of pool.states()) {
      ahead += workOf(state.job);
      const { latestStartAtMs } = state;
      if (realtimeOf(state.job.model) !== lane || latestStartAtMs === null || state.place !== "pool") continue;
      const stander = { deadlineAtMs: state.job.deadlineAtMs ?? Number.POSITIVE_INFINITY, latestStartAtMs, aheadTokens: ahead };
      if (!turnIsLost(stander, spec.poolRate, engine.nowMs(), policy.values) && !mustRescue(state)) continue;
      ahead -= workOf(state.job);
      late(state);
    }
  };
  /** Runs a job in real time beside what is still out, once. */
  const hedge = (state: JobState): void => {
    audit.looked(state);
    if (state.hedged) return;
    const nowMs = engine.nowMs();
    const beside = [...LANES.filter((lane) => laneClass(lane) === "batch" || lane === state.lane), ...(state.job.deny ?? [])];
    const choice = byDecide(planJob(state, "hedge", beside), snapshot(state.job), nowMs);
    const line = choice.kind === "place" ? realtime.get(choice.lane) : undefined;
    if (choice.kind !== "place" || line === undefined) {
      watchStart(state, nowMs + AWAY_MS);
      return;
    }
    if (state.job.deadlineAtMs !== null) rescueSlackMs.push(state.job.deadlineAtMs - nowMs);
    state.hedged = true;
    state.openNano += choice.priceNano;
    audit.placed(state, choice.lane, null);
    line.send(state, choice.priceNano, true);
  };
  const flex = (state: JobState, nano: bigint): void => {
    const nowMs = engine.nowMs();
    const slot = Math.floor((nowMs - spec.startMs) / 1000);
    const refusals = spec.flexRefusals ?? 0.1 + 0.25 * Math.max(0, Math.sin(2 * Math.PI * (nowMs / DAY_MS - 0.3)));
    if (dice.unit("refusal", state.job.no, slot) >= refusals) {
      const tookMs = dice.logNormal("flex", FLEX, state.job.no, slot) + state.job.outputTokens / TOKENS_PER_MS;
      engine.at(nowMs + tookMs, () => answered(state, "openai-flex", nano));
      return;
    }
    state.openNano -= nano;
    state.tried.push({ lane: "openai-flex", outcome: "refused" });
    state.laneTries++;
    const latestStartAtMs = spec.plant === "sleep-in" ? null : state.latestStartAtMs;
    const rest = restMs({ lane: "openai-flex", attempts: state.laneTries, retryAfterMs: null, latestStartAtMs }, nowMs, rng);
    wait(state, nowMs + rest, "retry");
  };

  const pull = (): void => {
    if (!policy.pulls || pulling) return;
    pulling = true;
    for (const state of batches.unsent()) {
      if (pool.view() === null) break;
      const choice = choose(state, "try");
      if (choice.kind !== "place" || choice.lane !== "pool") break;
      state.openNano -= batches.pull(state) ?? 0n;
      audit.looked(state);
      place(state, choice, "try");
    }
    pulling = false;
  };

  const pool: Pool = createPool(spec, engine, {
    answered: (state, nano) => answered(state, "pool", nano),
    freed: pull,
    failed: (states) => {
      for (const state of states) {
        // A rescue of one may have taken others along.
        if (state.place !== "pool") continue;
        state.openNano -= pool.remove(state);
        plan(state, "retry");
      }
    },
  });
  const batches: Batches = createBatches(
    { spec, engine, dice, audit, snapshot, restarts: policy.restarts, learns: policy.learns, eager: policy.eager, values: policy.values },
    {
      answered,
      caught(state, lane, nano) {
        if (spec.plant === "unbooked") {
          audit.billed(state.job.tenant, nano);
          state.openNano -= nano;
        } else charge(state, lane, nano);
        if (isOver(state)) return release(state);
        if (!state.hedged) plan(state, isDue(state) ? "rescue" : "retry");
      },
      back(state, lane, nano, how) {
        if (!returned(state, nano)) return;
        if (how === "missed") {
          state.tried.push({ lane, outcome: "missed" });
          state.lost++;
        }
        if (how === "recalled") state.tried.push({ lane, outcome: "recalled" });
        if (how === "refused") return wait(state, Math.min(engine.nowMs() + AWAY_MS, state.latestStartAtMs ?? Number.POSITIVE_INFINITY), "retry");
        plan(state, isDue(state) ? "rescue" : "retry");
      },
      hedge,
      again: (state, atMs) => {
        if (!state.hedged) watchStart(state, Math.max(engine.nowMs() + 1, atMs));
      },
    },
  );
  const isDue = (state: JobState): boolean => state.latestStartAtMs !== null && engine.nowMs() >= state.latestStartAtMs;
  const realtime = new Map<LaneId, Realtime>();
  for (const lane of LANES.filter((id) => laneClass(id) === "realtime")) {
    realtime.set(
      lane,
      createRealtime({ spec, engine, dice, audit, relegates: policy.relegates }, lane, {
        answered,
        dropped: (state, nano) => void returned(state, nano),
        contended,
      }),
    );
  }
  return {
    engine,
    audit,
    ledger,
    rescueSlackMs,
    choiceMs,
    laneWork,
    lanePaid,
    arrive(state) {
      audit.arrived(state);
      if (!reserve(state)) return finish(state, "refused");
      realtime.get(realtimeOf(state.job.model))?.arrives(state);
      plan(state, "try");
    },
  };
}

/** The house's own choice. */
export function byDecide(job: PlanJob, snapshot: Snapshot, nowMs: number): Choice {
  const verdict = decide(job, snapshot, nowMs);
  if (verdict.kind === "refuse") return { kind: verdict.code === "lane-unavailable" ? "wait" : "fail" };
  const { decision } = verdict;
  const price = decision.candidates.find((one) => one.lane === decision.lane)?.priceNano ?? "0";
  return { kind: "place", lane: decision.lane, latestStartAtMs: decision.latestStartAtMs, priceNano: BigInt(price) };
}
