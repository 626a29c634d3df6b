/** Which part of the past the totals are of, in job time. */
export type WindowKey = "24h" | "7d" | "all";

/** What the results service says on `GET /admin/v1/overview`: money as strings of nano-USD, instants as Unix ms of job time. */
export interface Overview {
  readonly now_ms: number;
  readonly scale: number;
  readonly window: { readonly key: WindowKey; readonly chosen: boolean; readonly since_ms: number };
  /** When anything was done last, in any window; `null` where nothing ever was. */
  readonly newest_at_ms: number | null;
  readonly rows: number;
  readonly api_url: string | null;
  readonly emulated: boolean;
  readonly unpriced: number;
  readonly unsettled: number;
  readonly suspense: { readonly attempts: number; readonly nano_usd: string };
  readonly deadlines: {
    readonly with_deadline: number;
    readonly met: number;
    readonly missed: number;
    readonly running: number;
    readonly soon: number;
    readonly late_batches: number;
  };
  readonly budgets: readonly Budget[];
  readonly lanes: readonly {
    readonly lane: string;
    readonly live: number;
    readonly completed: number;
    readonly failed: number;
    readonly oldestAtMs: number | null;
  }[];
  readonly paid_by_lane: readonly { readonly lane: string; readonly nano_usd: string }[];
  readonly receipt: Sums;
  /** Reuse by meaning in the window; `null` where the tenant never used it. */
  readonly reuse: {
    readonly asked: number;
    readonly reused: number;
    readonly explored: number;
    readonly explored_wrong: number;
    readonly error: { readonly error: number; readonly low: number; readonly high: number } | null;
    readonly families: readonly {
      readonly family: string;
      readonly model: string;
      readonly entries: number;
      readonly drifting: boolean;
      readonly updatedAtMs: number;
    }[];
  } | null;
  /** Policies that watch and never act, the one counted last first; none where none has watched. */
  readonly shadows: readonly Shadow[];
  readonly jobs: readonly Job[];
  readonly batches: readonly Batch[];
}

/** What both policies expected to pay, in strings of nano-USD. */
interface BothExpected {
  readonly decisions: number;
  readonly expected_nano_usd: string;
  readonly shadow_expected_nano_usd: string;
}

/** A shadow policy beside the live one, on the tenant's own jobs. */
export interface Shadow extends BothExpected {
  /** The numbers in which it differs, by name. */
  readonly values: Readonly<Record<string, number>>;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly agreed: number;
  /** Where they differ; `none` is the lane of a job that the shadow policy would not have placed. */
  readonly differ: readonly (BothExpected & { readonly lane: string; readonly shadowLane: string })[];
}

/** What the tenant, or one of its projects, may be charged in the running period, and what is spent and reserved of it. */
export interface Budget {
  readonly id: string;
  /** `null` for the whole tenant. */
  readonly project: string | null;
  readonly period: "total" | "day" | "month";
  readonly hard: boolean;
  readonly alert_at: number | null;
  readonly alerted_at_ms: number | null;
  readonly renews_at_ms: number | null;
  readonly amount_nano_usd: string;
  readonly reserved_nano_usd: string;
  readonly spent_nano_usd: string;
}

/** List price − Σ lines = paid; savings are positive, waste is negative. */
export interface Sums {
  readonly list_nano_usd: string;
  readonly paid_nano_usd: string;
  readonly lines: readonly { readonly account: string; readonly nano_usd: string }[];
}

/** A receipt of one job or batch; unpriced ones hold no sums worth showing. */
export interface Receipt extends Sums {
  readonly priced: boolean;
  readonly emulated: boolean;
}

export interface Job {
  readonly id: string;
  readonly customId: string | null;
  readonly model: string;
  readonly state: string;
  readonly lane: string | null;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number | null;
  readonly endedAtMs: number | null;
  /** `null` while nothing is settled, and where the model has no price. */
  readonly paid_nano_usd: string | null;
  readonly unpriced: boolean;
}

/** What is wrong with the input of a refused batch. */
export interface Faults {
  readonly count: number;
  readonly first: readonly { readonly code: string; readonly message: string; readonly param: string | null; readonly line: number | null }[];
}

export interface Batch {
  readonly id: string;
  readonly endpoint: string;
  readonly state: string;
  readonly model: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly deadlineAtMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
  readonly faults: Faults | null;
}

/** `GET /admin/v1/batches/:id`. */
export interface BatchDetail extends Omit<Batch, "completed" | "failed"> {
  readonly completionWindow: string;
  readonly inputFileId: string | null;
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly receipt: Receipt | null;
}

/** One lane, or one model of a chain on it, as a decision saw it. Money is in strings of nano-USD. */
export interface Candidate {
  readonly lane: string;
  /** Where the caller named several models: whose way this is. */
  readonly model?: string;
  readonly eligible: boolean;
  readonly chosen: boolean;
  readonly why: string;
  readonly priceNano: string | null;
  readonly expectedNano: string | null;
  /** Chance that the answer is in hand before a rescue would start (batch) or the deadline (others). */
  readonly inTime: number | null;
  /** Chance that there is none by the deadline, the rescue counted in; absent without a deadline and where the lane is out. */
  readonly missed?: number;
}

/** One decision on a job, a placing or a reason not to place it: the scheduler's own record. */
export interface Decision {
  /** `place`, or why it was put off. */
  readonly kind: string;
  /** The same in words: "held back from openai-batch". */
  readonly did: string;
  readonly lane: string | null;
  readonly role: string;
  readonly reason: string;
  readonly decidedAtMs: number;
  /** When its rescue starts at the latest; `null` where nothing is to be rescued. */
  readonly latestStartAtMs: number | null;
  /** When a job that was put off is looked at again at the latest. */
  readonly untilMs: number | null;
  /** The attempt that a placing made. */
  readonly attempt: { readonly id: string; readonly seq: number } | null;
  /** Set where another model than the asked one answers: by the name that the caller gave it, why, and what the translation left out or changed. */
  readonly fallback?: { readonly name: string; readonly why: string; readonly notes: readonly string[] };
  readonly inputs: {
    readonly slackMs: number | null;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly batchLines: number;
    readonly queues: readonly { readonly lane: string; readonly queued: number }[];
    /** From how many of the installation's own batches a lane's turnaround was learned; 0: what its provider publishes. */
    readonly batches: readonly { readonly lane: string; readonly seen: number }[];
  } | null;
  readonly candidates: readonly Candidate[];
}

export interface Attempt {
  readonly id: string;
  readonly seq: number;
  readonly lane: string;
  readonly state: string;
  readonly role: string;
  /** Where it is not the model that was asked for. */
  readonly model: string | null;
  readonly emulated: boolean;
  readonly requestId: string | null;
  readonly statusCode: number | null;
  readonly errorCode: string | null;
  /** Tokens by class, disjoint but for `reasoning`, which is a part of `output`; all others are of the prompt. */
  readonly usage: { readonly output: number; readonly [tokens: string]: number } | null;
  readonly createdAtMs: number;
  readonly answeredAtMs: number | null;
}

/** `GET /admin/v1/jobs/:id`. */
export interface JobDetail extends Omit<Job, "paid_nano_usd" | "unpriced"> {
  readonly batchId: string | null;
  readonly lineNo: number | null;
  readonly endpoint: string;
  /** What the list price is of. */
  readonly baselineModel: string;
  readonly nextDecisionAtMs: number | null;
  /** What an accepted job waits for; `null` once it is on a lane. */
  readonly waiting: string | null;
  readonly error: { readonly code?: string; readonly message?: string } | null;
  /** In order of time. */
  readonly decisions: readonly Decision[];
  readonly attempts: readonly Attempt[];
  readonly receipt: Receipt | null;
}
