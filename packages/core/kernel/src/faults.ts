/**
 * The closed table of what can be the caller's fault (or ours, said politely): HTTP status, whether the same call may
 * succeed later, and the public text. The text of `detail.message` replaces the default where it says more.
 */
export const FAULTS = {
  "invalid-json": { status: 400, retryable: false, text: "The request body is not valid JSON." },
  "invalid-request": { status: 400, retryable: false, text: "The request is not valid." },
  "missing-parameter": { status: 400, retryable: false, text: "A required parameter is missing." },
  "deadline-unreadable": { status: 400, retryable: false, text: "The deadline cannot be read." },
  "deadline-past": { status: 400, retryable: false, text: "The deadline has already passed." },
  "deadline-too-far": { status: 400, retryable: false, text: "The deadline lies too far ahead." },
  "deadline-too-long-for-sync": {
    status: 400,
    retryable: false,
    text: "A synchronous call may wait at most 10 minutes; use POST /v1/jobs or POST /v1/batches.",
  },
  "deadline-infeasible": { status: 409, retryable: false, text: "No allowed lane can make this deadline." },
  "admission-infeasible": { status: 409, retryable: false, text: "The work cannot be taken in with the class that it asks for." },
  "unknown-model": { status: 404, retryable: false, text: "The model does not exist." },
  "model-unpriced": { status: 400, retryable: false, text: "The model has no price and this tenant does not allow unpriced models." },
  "callback-refused": { status: 400, retryable: false, text: "The callback address is refused." },
  "lanes-empty": { status: 400, retryable: false, text: "No lane is left to run this request on." },
  "over-max-cost": { status: 400, retryable: false, text: "The request could cost more than max_cost_usd." },
  "budget-exceeded": { status: 402, retryable: false, text: "The request does not fit into the budget." },
  "not-permitted": { status: 403, retryable: false, text: "This key may not do that." },
  "body-too-large": { status: 413, retryable: false, text: "The request body is too large." },
  "body-timeout": { status: 408, retryable: true, text: "The request body stopped arriving." },
  "unsupported-encoding": { status: 415, retryable: false, text: "The coding of the request body is not understood." },
  overloaded: { status: 503, retryable: true, text: "Too many bytes of requests are being handled just now; try again shortly." },
  "json-too-deep": { status: 400, retryable: false, text: "The JSON is nested too deeply." },
  "idempotency-mismatch": { status: 409, retryable: false, text: "This Idempotency-Key was used with another request body." },
  "idempotency-in-flight": { status: 409, retryable: true, text: "A request with this Idempotency-Key is still in progress." },
  "not-found": { status: 404, retryable: false, text: "No such object." },
  "wrong-state": { status: 409, retryable: false, text: "The object is not in a state that allows this." },
  "key-missing": { status: 401, retryable: false, text: "No API key was given; send it as a bearer token or as x-api-key." },
  "key-invalid": { status: 401, retryable: false, text: "Incorrect API key provided." },
  "signature-invalid": { status: 401, retryable: false, text: "The webhook is not signed with the secret that is set here." },
  "method-not-allowed": { status: 405, retryable: false, text: "This method is not allowed here." },
  "rate-limited": { status: 429, retryable: true, text: "The provider's rate limit is reached; try again shortly." },
  "lane-unavailable": { status: 503, retryable: true, text: "The lane is not available right now." },
  "provider-refused": { status: 400, retryable: false, text: "The provider refused the request." },
  "provider-failed": { status: 502, retryable: true, text: "The provider failed to answer." },
  "provider-timeout": { status: 504, retryable: false, text: "The provider did not answer in time; it may still have run the request." },
  "outcome-unknown": { status: 502, retryable: false, text: "The provider's answer was lost; it may still have run the request." },
  "attempts-exhausted": { status: 502, retryable: false, text: "Every allowed attempt failed." },
  "empty-input": { status: 400, retryable: false, text: "The input has no token." },
  "schema-newer": { status: 500, retryable: false, text: "The database was migrated by a newer Slowboat; start that version or restore a backup." },
  internal: { status: 500, retryable: true, text: "Something went wrong on our side." },
} as const satisfies Record<string, { status: number; retryable: boolean; text: string }>;

export type FaultCode = keyof typeof FAULTS;

/** What a fault says besides its code. `message` and `param` are public; `inside` is for the log only. */
export interface FaultDetail {
  readonly message?: string;
  /** The field at fault, as the caller wrote it (`body.messages`, `deadline`). */
  readonly param?: string;
  /** 1-based line of a JSONL input. */
  readonly line?: number;
  /** Public extra members, such as `earliest_feasible_deadline`. */
  readonly extra?: Readonly<Record<string, string | number | boolean | null>>;
  /** Machine ms after which the same call may do better; told as `Retry-After`. */
  readonly retryAfterMs?: number;
  readonly inside?: unknown;
  readonly cause?: unknown;
}

/** An error out of the closed table; turned into an API's own error shape only at the API. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly detail: FaultDetail;
  constructor(code: FaultCode, detail: FaultDetail = {}) {
    super(detail.message ?? FAULTS[code].text, { cause: detail.cause });
    this.code = code;
    this.status = FAULTS[code].status;
    this.retryable = FAULTS[code].retryable;
    this.detail = detail;
  }
}

export const fault = (code: FaultCode, detail: FaultDetail = {}): Fault => new Fault(code, detail);

export const isFault = (error: unknown): error is Fault => error instanceof Fault;
