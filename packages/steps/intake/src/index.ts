/**
 * Intake: how work comes in. Keys and tenants, the judgement of a request before it is accepted, the desk that commits single
 * jobs together, and the turning of a batch's input into jobs. Accepted means committed.
 */

export { estimateTokens } from "@slowboat/plan";
export { readAdmission } from "./admission/read-admission.ts";
export { askErrands, type ErrandAsk, type ErrandDeps } from "./ask-errands.ts";
export { budgetObject, setBudget } from "./budgets.ts";
export { createMessageBatch, MESSAGE_BATCH_ROUTE, type MessageBatchTerms } from "./create-message-batch.ts";
export { readDeadline, readWindow } from "./deadline.ts";
export { type Acceptance, type JobDesk, openDesk } from "./desk.ts";
export { ruledOut } from "./eligible.ts";
export { judgeFallbacks, knownFallbacks } from "./fallbacks.ts";
export { holdOf } from "./hold.ts";
export { type Caller, createKey, createTenant, keyVerifier, readName, revokeKey, type ShownKey } from "./keys.ts";
export { type MessageRequest, messageRequest } from "./message-request.ts";
export { type ChosenModel, chooseModel, unknownModel } from "./models.ts";
export { choicesOf, heldNote, outputHeld, outputLimit, rememberLongOutputs } from "./output-held.ts";
export { checkFallbacks, takeOwn } from "./own-members.ts";
export { type PopulateDeps, populateBatch, sweepIntake } from "./populate.ts";
export { createQuote, QUOTE_REQUESTS_MAX, type QuoteDeps, type Quoted, type QuotedRequest } from "./quote/create-quote.ts";
export { lineRequests, listRequests, oneRequest, type QuoteTerms } from "./quote/quoted-requests.ts";
export { inferEndpoint, type JudgedRequest, judgeRequest, tierWishes, withFirst } from "./request.ts";
export { asksAlias, routeRequest } from "./routed.ts";
export { type RequestsScanner, requestsScanner } from "./scan-requests.ts";
export {
  draftJob,
  type HeaderTerms,
  type House,
  type IntakeTerms,
  jobKeyOf,
  nativeJob,
  promiseAsk,
  readCacheWish,
  readCallback,
  readMaxCost,
  refuseHopeless,
  restsOnBatches,
} from "./submit.ts";
