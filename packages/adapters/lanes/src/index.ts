/**
 * The lanes: every way in which a request leaves this house, behind one port. A lane sends the caller's text as it came, says what
 * became of it in one of four words (answered, refused, void, unknown), and never sends anything twice by itself.
 */
export { createAnthropicLane } from "./anthropic.ts";
export { createAnthropicBatchLane } from "./anthropic-batch.ts";
export { createLanes, type LaneSettings } from "./create-lanes.ts";
export { createOpenAiLane } from "./openai.ts";
export { createOpenAiBatchLane } from "./openai-batch.ts";
export { type OwnLaneSettings, type OwnLanes, withOwnLanes } from "./own-lanes.ts";
export type { LanePace } from "./paces.ts";
export { createPoolLane } from "./pool.ts";
export {
  type BatchLane,
  type CallLane,
  type Lane,
  type LaneAnswer,
  LaneError,
  type LaneProgress,
  type LaneRequest,
  type LaneStream,
  type LimitHeaders,
} from "./port.ts";
export { enqueuedLimit, QUOTA_FULL } from "./quota-full.ts";
