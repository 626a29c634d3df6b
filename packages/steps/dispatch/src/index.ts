/**
 * The dispatch step: plans what is due, runs lanes, rescues what is late. It composes the pure `decide` with Postgres, the queue and the lanes;
 * whatever it does is written down before it is done, so that any worker can go on where another one died.
 */

export { type ChunkSlots, createChunkSlots } from "./chunk-slots.ts";
export type { LaneDeps } from "./deps.ts";
export { createGate, type Gate } from "./gate.ts";
export { createInteractive, type Interactive } from "./interactive/create-interactive.ts";
export type { InteractiveReply, InteractiveRequest } from "./interactive/request.ts";
export type { SemanticCalls } from "./interactive/semantic-calls.ts";
export { sweepLostCalls } from "./interactive/sweep-calls.ts";
export { CALL_WRITERS } from "./interactive/writes.ts";
export { createMeter, type Meter } from "./meter.ts";
export { laneQueue } from "./place.ts";
export { CLAIM_JOBS, planDue } from "./plan-due.ts";
export type { LaneOffer, PlanDeps } from "./planner-deps.ts";
export { createPromptGate, type PromptGate } from "./prompt-cache/gate.ts";
export { createPromptTraffic, type PromptTraffic } from "./prompt-cache/traffic.ts";
export { createQuotas, type EnqueuedSettings, type Quotas } from "./quota/quotas.ts";
export { runBatchDispatch } from "./run-batch.ts";
export { runCallDispatch, runPoolDispatch } from "./run-call.ts";
export { createShadow, type Shadow } from "./shadow.ts";
export { openSight } from "./sight.ts";
export { tenantWeights } from "./weights.ts";
