import type { PlanJob } from "../snapshot.ts";

/** A job at its first try that asks for nothing but its model by its deadline. */
export const planJob = (over: Partial<PlanJob> & Pick<PlanJob, "model" | "candidates">): PlanJob => ({
  endpoint: "/v1/chat/completions",
  inputTokens: 700,
  outputTokens: 100,
  deadlineAtMs: null,
  allow: null,
  deny: null,
  maxCostNano: null,
  allowUnpriced: false,
  cached: false,
  interactive: false,
  attempts: 0,
  lanesTried: [],
  role: "try",
  ...over,
});
