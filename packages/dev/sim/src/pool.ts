import type { PoolAhead, PoolView } from "@slowboat/plan";
import type { Engine } from "./engine.ts";
import { type JobState, OUTPUT_WEIGHT, workOf } from "./job.ts";
import { type WorldSpec, within } from "./spec.ts";

/** How finely the line is told: this many single jobs, and as many steps for the rest. */
const STEPS = 48;

interface Held {
  readonly state: JobState;
  readonly nano: bigint;
  readonly dueMs: number;
  left: number;
}

/** The own pool: one server of a known rate that always works on the earliest deadline, as a continuous batch does that is told priorities. */
export interface Pool {
  /** `null` while it is down, or where there is none. */
  view(): PoolView | null;
  add(state: JobState, nano: bigint): void;
  /** Takes a job back that is not done; the work that was begun on it is lost. Returns its price. */
  remove(state: JobState): bigint;
  /** The jobs in it. */
  states(): JobState[];
}

/** The line by deadline: the first in it one by one, the others in a few steps. */
function aheadOf(held: readonly Held[]): PoolAhead[] {
  const ahead: PoolAhead[] = [];
  const step = Math.ceil(held.length / STEPS);
  let tokens = 0;
  for (const [i, { dueMs, left }] of held.entries()) {
    tokens += left;
    if (i < STEPS || i % step === 0 || i === held.length - 1) ahead.push({ untilMs: dueMs, tokens });
  }
  return ahead;
}

export function createPool(
  spec: WorldSpec,
  engine: Engine,
  on: {
    readonly answered: (state: JobState, nano: bigint) => void;
    /** It went down with these in it. */
    readonly failed: (states: readonly JobState[]) => void;
    /** It is done with something. */
    readonly freed: () => void;
  },
): Pool {
  const held: Held[] = [];
  let work = 0;
  let sinceMs = engine.nowMs();
  let turn = 0;
  const up = (): boolean => spec.poolRate > 0 && !within(spec.poolDown, engine.nowMs());
  /** Brings the books up to now. */
  const advance = (): void => {
    const [first] = held;
    const done = first === undefined ? 0 : Math.min(first.left, (spec.poolRate * (engine.nowMs() - sinceMs)) / 1000);
    if (first !== undefined) first.left -= done;
    work = Math.max(0, work - done);
    sinceMs = engine.nowMs();
  };
  const plan = (): void => {
    const mine = ++turn;
    const [first] = held;
    if (first === undefined) work = 0;
    if (first === undefined || !up()) return;
    engine.at(engine.nowMs() + (first.left / spec.poolRate) * 1000, () => {
      if (mine !== turn) return;
      advance();
      held.shift();
      work = Math.max(0, work - first.left);
      plan();
      on.answered(first.state, first.nano);
      on.freed();
    });
  };
  for (const down of spec.poolDown) {
    engine.at(down.fromMs, () => {
      advance();
      turn++;
      on.failed(held.map(({ state }) => state));
    });
    engine.at(down.toMs, () => {
      sinceMs = engine.nowMs();
      plan();
      on.freed();
    });
  }
  return {
    view() {
      if (!up()) return null;
      advance();
      // Told only to those who ask: most policies do not.
      let ahead: readonly PoolAhead[] | null = null;
      return {
        tokensPerSecond: spec.poolRate,
        backlogTokens: work,
        outputWeight: OUTPUT_WEIGHT,
        get ahead() {
          ahead ??= aheadOf(held);
          return ahead;
        },
      };
    },
    add(state, nano) {
      advance();
      const one: Held = { state, nano, dueMs: state.job.deadlineAtMs ?? state.job.arrivedAtMs, left: workOf(state.job) };
      let at = 0;
      for (let end = held.length; at < end; ) {
        const middle = (at + end) >> 1;
        if ((held[middle]?.dueMs ?? 0) <= one.dueMs) at = middle + 1;
        else end = middle;
      }
      held.splice(at, 0, one);
      work += one.left;
      if (at === 0) plan();
    },
    remove(state) {
      advance();
      const at = held.findIndex((one) => one.state === state);
      const [gone] = at < 0 ? [] : held.splice(at, 1);
      if (gone === undefined) throw new Error("invariant broken: the pool does not hold the job");
      work = Math.max(0, work - gone.left);
      if (at === 0) plan();
      return gone.nano;
    },
    states: () => held.map(({ state }) => state),
  };
}
