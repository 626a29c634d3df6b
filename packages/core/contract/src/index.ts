/**
 * The contract: the words that every room shares and what we promise outside. Endpoints, lanes, token usage, the decision
 * and the receipt as data, and the zod schemas of the native API.
 */

export { type ApiKeyParts, makeApiKey, readApiKey } from "./api-key.ts";
export { BUDGET_PERIODS, type BudgetPeriod, type BudgetWish, readBudgetWish } from "./budget.ts";
export {
  type CacheTtl,
  type Candidate,
  chosenOf,
  type Decision,
  type DecisionInputs,
  type DelayDecision,
  type DelayKind,
  type FallbackTaken,
  type PromptMarks,
  type ReuseTaken,
} from "./decision.ts";
export { decisionWords } from "./decision-words.ts";
export { ANTHROPIC_VERSION, ENDPOINTS, type Endpoint, isEndpoint, PROVIDER_NAME, type Provider, type Surface } from "./endpoints.ts";
export { type EventFacts, type EventType, eventPayload } from "./events.ts";
export { type Fallback, isNameList, type ModelRule, readNames, storedFallbacks, storedModelRule, storedNames } from "./fallback.ts";
export { type JobRequest, nearestWord, readJobRequest } from "./job-request.ts";
export { expandLanes, LANE_IDS, type LaneClass, type LaneId, laneClass, laneProvider } from "./lanes.ts";
export { isAccount, type LedgerAccount, SAVING_ACCOUNTS, type Waterfall, type WaterfallLine } from "./ledger.ts";
export { type Metadata, readMetadata } from "./metadata.ts";
export { aliasOf, isAlias, type JobRoute, type ShadowDraw, storedRoute } from "./route.ts";
export { addUsage, NO_USAGE, totalInput, type Usage } from "./usage.ts";
export { waitingFor } from "./waiting.ts";
