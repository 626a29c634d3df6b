/**
 * Intake: how work comes in. Keys and tenants, the judgement of a request before it is accepted, the desk that commits single
 * jobs together, and the turning of a batch's input into jobs. Accepted means committed.
 */

export { createMessageBatch, MESSAGE_BATCH_ROUTE, type MessageBatchTerms } from "./create-message-batch.ts";
export { readDeadline, readWindow } from "./deadline.ts";
export { type Acceptance, type JobDesk, openDesk } from "./desk.ts";
export { judgeFallbacks, knownFallbacks } from "./fallbacks.ts";
export { type Caller, createKey, createTenant, keyVerifier, revokeKey, type ShownKey } from "./keys.ts";
export { type MessageRequest, messageRequest } from "./message-request.ts";
export { type ChosenModel, chooseModel, unknownModel } from "./models.ts";
export { checkFallbacks, takeOwn } from "./own-members.ts";
export { type PopulateDeps, populateBatch, sweepIntake } from "./populate.ts";
export { inferEndpoint, type JudgedRequest, judgeRequest, tierWishes, withFirst } from "./request.ts";
export { asksAlias, routeRequest } from "./routed.ts";
export { type RequestsScanner, requestsScanner } from "./scan-requests.ts";
export { type HeaderTerms, type House, type IntakeTerms, jobKeyOf, nativeJob, readCacheMode, readCallback, readMaxCost } from "./submit.ts";
