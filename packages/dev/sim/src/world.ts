import type { LaneId } from "@slowboat/contract";
import type { Violation } from "./audit.ts";
import { createDesk, type Watch } from "./desk.ts";
import { type JobState, newState } from "./job.ts";
import type { Policy } from "./policy.ts";
import type { WorldSpec } from "./spec.ts";

/** No world of this size has come near it: events a job, and some for the world itself. */
const EVENTS_A_JOB = 2_000;

/** What became of a world under a policy. */
export interface Outcome {
  readonly states: readonly JobState[];
  /** Everything that was charged, waste included, in nano-USD. */
  readonly paidNano: bigint;
  readonly events: number;
  readonly violations: readonly Violation[];
  /** Slack (ms) at which each rescue began. */
  readonly rescueSlackMs: readonly number[];
  /** What each choice took, in machine ms, where a clock was given. */
  readonly choiceMs: readonly number[];
  /** Work charged by lane, in prompt tokens. */
  readonly laneWork: ReadonlyMap<LaneId, number>;
  /** What was charged by lane, waste included, in nano-USD. */
  readonly lanePaid: ReadonlyMap<LaneId, bigint>;
}

/** Whether a job was answered by its deadline; one without a deadline by being answered at all. */
export const inTime = (state: JobState): boolean =>
  state.place === "done" && (state.job.deadlineAtMs === null || (state.finishedAtMs ?? Number.POSITIVE_INFINITY) <= state.job.deadlineAtMs);

/** Lives through a world from the first arrival to the last answer. */
export function runWorld(spec: WorldSpec, policy: Policy, watch: Watch = {}): Outcome {
  const desk = createDesk(spec, policy, watch);
  const { engine, audit, ledger } = desk;
  const states = spec.jobs.map(newState);
  // One arrival is planned at a time: the heap stays small.
  const arrive = (no: number): void => {
    const state = states[no];
    if (state === undefined) return;
    engine.at(state.job.arrivedAtMs, () => {
      arrive(no + 1);
      desk.arrive(state);
    });
  };
  arrive(0);
  const events = engine.run(EVENTS_A_JOB * (states.length + 100), watch.unchecked === true ? () => {} : audit.check);
  audit.end(states);
  const { rescueSlackMs, choiceMs, laneWork, lanePaid } = desk;
  return { states, paidNano: -ledger.balance("payable"), events, violations: audit.violations, rescueSlackMs, choiceMs, laneWork, lanePaid };
}
