/**
 * The simulator: the planner's own `decide` in a virtual world whose luck hangs on a seed alone, never on the policy. It exists to find what no test
 * was written for, by lives of many seeds with invariants checked after every event, and to say what a policy is worth, against others under the same
 * luck and against the least that hindsight could have paid.
 */
export { type SimJob, workOf } from "./job.ts";
export { linearBound, loadSolver } from "./linear-bound.ts";
export { openWorld } from "./open-world.ts";
export { ALL_REALTIME, BASELINES, OURS } from "./policies.ts";
export type { Policy } from "./policy.ts";
export type { Luck, WorldSpec } from "./spec.ts";
export { hindsight, MIXES, type Mix, replay, type TraceRow } from "./trace.ts";
export { inTime, type Outcome, runWorld } from "./world.ts";
