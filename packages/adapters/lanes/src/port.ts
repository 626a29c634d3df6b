import type { Endpoint, LaneId } from "@slowboat/contract";
import type { FairTurn } from "@slowboat/plan";
import type { LanePace } from "./paces.ts";

/** One request on its way to a lane: the caller's body, byte for byte but for what the lane must set. */
export interface LaneRequest {
  /** Doubles as the batch line's custom_id and the client request id. */
  readonly attemptId: string;
  readonly endpoint: Endpoint;
  /** The model that this lane runs; it replaces the body's where they differ (an alias, a routed request). */
  readonly model: string;
  /** Raw JSON text; never re-serialised. */
  readonly body: string;
  /** Headers of the caller's that change what the provider does (`anthropic-version`, `anthropic-beta`); absent for queued work. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose it is, where calls wait for their turn; absent waits in order of arrival. */
  readonly turn?: FairTurn;
  /** Called when its turn has come and it leaves. */
  readonly onSent?: () => void;
}

/**
 * What came of one request.
 * - `answered`: a 2xx answer, to be paid for; `body` is the provider's raw JSON
 * - `refused`: the provider said no and charges nothing; `retry` says whether the same request may go again:
 *   `never` (the request itself is wrong), `later` (rate, overload), `park` (quota or spend cap: stop the lane)
 * - `void`: never executed and not charged (expired, cancelled, or it never left this process)
 * - `unknown`: it may have been executed and charged, and nothing was heard. A batch row so broken that it names no
 *   request has the attemptId ""
 */
export type LaneAnswer =
  | {
      readonly kind: "answered";
      readonly attemptId: string;
      readonly statusCode: number;
      readonly body: string;
      /** `body` as the object that it is, where the lane has looked at it. */
      readonly looked?: Readonly<Record<string, unknown>>;
      readonly requestId: string | null;
      readonly limits?: LimitHeaders;
    }
  | {
      readonly kind: "refused";
      readonly attemptId: string;
      readonly statusCode: number;
      readonly body: string;
      readonly requestId: string | null;
      readonly code: string;
      readonly retry: "never" | "later" | "park";
      /** The provider's wish in its own time: job ms. */
      readonly retryAfterMs: number | null;
      /** Never sent: the lane itself kept it back, at its pace (`paced`), behind an open breaker (`circuit_open`) or with its account parked (`account_parked`). */
      readonly held?: true;
      readonly limits?: LimitHeaders;
    }
  | {
      readonly kind: "void";
      readonly attemptId: string;
      readonly code: "expired" | "cancelled" | "unsent" | "lost" | "batch_failed";
      readonly message: string;
    }
  | { readonly kind: "unknown"; readonly attemptId: string; readonly code: string; readonly message: string };

/** What a reply's headers said of the provider's limits, by their lower-case names: `x-ratelimit-*`, or `anthropic-ratelimit-*` and `anthropic-priority-*`. */
export type LimitHeaders = Readonly<Record<string, string>>;

interface LaneBase {
  readonly id: LaneId;
  /** provider | base URL | key hash, 12 hex digits: what limits, batches and orphans are bound to. */
  readonly account: string;
  /** True when the other end is the emulator: its answers and costs are labelled wherever they show. */
  readonly emulated: boolean;
  /** How its account and models stand; absent where nothing is paced. */
  pace?(): LanePace;
}

/** A lane that answers while we wait. `call` never throws for what the provider does; it throws only for our own bugs. */
export interface CallLane extends LaneBase {
  readonly shape: "call";
  call(request: LaneRequest, signal: AbortSignal): Promise<LaneAnswer>;
  /** Opens a stream; a refusal before the first byte comes back as an answer. */
  stream(request: LaneRequest, signal: AbortSignal): Promise<LaneStream | LaneAnswer>;
  /** Where the provider has it: counts a request's input tokens, free of charge. `body` of the answer is the provider's raw JSON. */
  count?(request: LaneRequest, signal: AbortSignal): Promise<LaneAnswer>;
}

/** A stream that passes through, with the whole answer assembled from it. */
export interface LaneStream {
  readonly kind: "stream";
  /** Raw server-sent events as the provider wrote them, each with its closing blank line. Ends early when cut. */
  readonly events: AsyncIterable<string>;
  /** Resolves after `events` ended: `answered` with a non-streaming body assembled from the events, or `unknown` when it was cut. */
  readonly final: Promise<LaneAnswer>;
  readonly limits: LimitHeaders;
}

/** Where a provider's batch stands; `ended` when its lines can be collected, whatever they say. */
export interface LaneProgress {
  readonly phase: "queued" | "running" | "ending" | "ended" | "lost";
  /** The provider's own word. */
  readonly status: string;
  readonly done: number;
  readonly total: number;
  /** Set when the whole batch failed validation: nothing ran, nothing is charged. `hold` means the enqueued-token quota was full, `fileLost` that it did not find the file it had taken. */
  readonly failure: {
    readonly code: string;
    readonly message: string;
    readonly hold: boolean;
    readonly fileLost: boolean;
    /** The limit of enqueued tokens, where the provider named it. */
    readonly limitTokens: number | null;
    readonly lines: readonly { line: number | null; code: string; message: string }[];
  } | null;
}

/** Where an orphan may be: created since `sinceMs` (job time), and not among the batches that other dispatches are known to hold. */
export interface OrphanSearch {
  readonly sinceMs: number;
  readonly taken: ReadonlySet<string>;
  /** Other dispatches of the account are being created right now: a running batch may be theirs. */
  readonly crowded: boolean;
}

/** A lane that takes a file of requests and answers within a day. Each method throws `LaneError` when the provider cannot be talked to. */
export interface BatchLane extends LaneBase {
  readonly shape: "batch";
  /** Uploads and creates. `dispatchId` is written into what the provider stores, so that `find` can adopt an orphan. */
  submit(dispatchId: string, requests: readonly LaneRequest[], signal: AbortSignal): Promise<{ readonly ref: string }>;
  /**
   * Looks for a batch of this dispatch whose create reply was lost; `null` when there is none. Where a provider without names of ours
   * leaves several possible (Anthropic), none is adopted by guess: it throws an unknown outcome, and once they end their lines tell.
   */
  find(dispatchId: string, attemptIds: readonly string[], among: OrphanSearch, signal: AbortSignal): Promise<{ readonly ref: string } | null>;
  /** A batch that the provider does not know (a 404) throws, so that the caller counts it: reads may lag behind a create. */
  poll(ref: string, signal: AbortSignal): Promise<LaneProgress>;
  /** Every line of an ended batch, in any order, streamed from the provider's output and error files. */
  collect(ref: string, signal: AbortSignal): AsyncIterable<LaneAnswer>;
  cancel(ref: string, signal: AbortSignal): Promise<void>;
}

export type Lane = CallLane | BatchLane;

/** A batch call that failed. `outcome` says whether the provider may have acted on it. */
export class LaneError extends Error {
  override readonly name = "LaneError";
  readonly outcome: "refused" | "unsent" | "unknown";
  readonly retry: "never" | "later" | "park";
  readonly code: string;
  constructor(
    message: string,
    facts: { outcome: "refused" | "unsent" | "unknown"; retry: "never" | "later" | "park"; code: string; cause?: unknown },
  ) {
    super(message, { cause: facts.cause });
    this.outcome = facts.outcome;
    this.retry = facts.retry;
    this.code = facts.code;
  }
}
