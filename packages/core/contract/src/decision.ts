import type { Endpoint } from "./endpoints.ts";
import type { LaneId } from "./lanes.ts";

/** One lane as the decision saw it. Money is a string of nano-USD so that the record is plain JSON. */
export interface Candidate {
  readonly lane: LaneId;
  /** The model of the caller's chain that is meant; absent where the caller named none but one. */
  readonly model?: string;
  readonly eligible: boolean;
  /** Why it was left out, or what its score rests on. */
  readonly why: string;
  /** Price of the estimated tokens on this lane; `null` when the model is unpriced there. */
  readonly priceNano: string | null;
  /** Expected cost with rescue and waste counted in. */
  readonly expectedNano: string | null;
  /** Probability that the answer is in hand before the rescue instant (batch) or the deadline (others). */
  readonly inTime: number | null;
  /** Probability that no answer is there by the deadline, the rescue counted in; absent without a deadline and where the lane is out. */
  readonly missed?: number;
}

/** How long a provider keeps a cached prefix. Anthropic knows 5m and 1h, OpenAI 30m and, for some models, 12h. */
export type CacheTtl = "5m" | "30m" | "1h" | "12h";

/** What is added to a request so that its provider keeps the shared beginning of the prompt, or finds it again. Nothing else of the body changes. */
export interface PromptMarks {
  /** Breakpoints, outermost first, at most four, longer lifetimes first. `at` is a place as `promptPrefix` names it, `key` what it is known by. */
  readonly breakpoints: readonly { readonly at: string; readonly key: string; readonly ttl: CacheTtl }[];
  /** OpenAI's `prompt_cache_key`; `null` for none. Never put beside the caller's own. */
  readonly cacheKey: string | null;
  /** OpenAI's `prompt_cache_options: {"mode":"explicit"}`: nothing is written, and paid for, but at the breakpoints. */
  readonly explicit: boolean;
  /** What jobs of one beginning have in common: they ride and run together. `null` where nothing is shared. */
  readonly group: string | null;
  /** Tokens of the shared beginning, estimated. */
  readonly tokens: number;
  readonly why: string;
}

/** A decision is data: stored with the attempt, shown by the API, replayable. */
export interface Decision {
  readonly lane: LaneId;
  /** The exact model that runs there; an alias resolved. For the cache, the model as asked for. */
  readonly model: string;
  readonly role: "try" | "rescue" | "hedge" | "retry";
  readonly reason: string;
  readonly decidedAtMs: number;
  readonly deadlineAtMs: number | null;
  /** Latest start time of the rescue; when the scheduler looks at the job again. `null` when nothing can be rescued. */
  readonly latestStartAtMs: number | null;
  readonly pricesVersion: string;
  readonly candidates: readonly Candidate[];
  /** What is done for the prompt cache; absent where nothing is. */
  readonly promptCache?: PromptMarks;
  /** Set where another model answers than the one asked for. */
  readonly fallback?: FallbackTaken;
  /** Set where the answer is one to another question that means the same. */
  readonly reuse?: ReuseTaken;
  /** What it rests on, beside the job's own row and the price book; absent for an answer that was kept. */
  readonly inputs?: DecisionInputs;
}

/** Whose answer was given again, and on what evidence. */
export interface ReuseTaken {
  readonly kind: "semantic";
  /** The kept entry, and the job that its answer was made for. */
  readonly entry: string;
  readonly source: string;
  /** The verifier's belief that the answer is right, what it had to be above, and the chance with which such a question is answered from the cache. */
  readonly score: number;
  readonly threshold: number;
  readonly propensity: number;
  readonly why: string;
}

/**
 * What a decision rests on: enough, with the job's own row and the stored price book, to take it again. Lanes that could not serve the request are left
 * out, as is everything that was as usual.
 */
export interface DecisionInputs {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly tickMs: number;
  readonly scale: number;
  /** Lines that would share a provider batch, and so a rescue. */
  readonly batchLines: number;
  /** The lanes in question as they stood; plain members of the planner's view. */
  readonly lanes: readonly { readonly id: LaneId; readonly [member: string]: unknown }[];
  /** The pool as it stood, where it was in question. */
  readonly pool?: Readonly<Record<string, unknown>> | null;
  /** By lane: when what is known of its batches was learned, and from how many. A lane that is not named was planned with what is published. */
  readonly turnaround?: Readonly<Record<LaneId, { readonly learnedAtMs: number; readonly seen: number }>>;
  /** What the job asked or had behind it that is not in its row, or differs from it. */
  readonly job?: Readonly<Record<string, unknown>>;
}

/** What the planner does with a job when it does not place it. */
export type DelayKind = "hold" | "follow" | "quota" | "pace" | "prime" | "away" | "refuse" | "wait" | "cancel" | "budget";

/** A decision to do something else than to place: kept where its reason changes. */
export interface DelayDecision {
  /**
   * `hold`: waits for company in a batch · `follow`: waits for the answer of a job that asks the same · `quota`: waits for room · `pace`, `prime`: waits its
   * turn for the prompt cache · `away`: no lane is there · `refuse`: no lane will ever do · `wait`: the rescue is not due · `cancel`: its batch is cancelled
   * for the rescue · `budget`: another attempt does not fit into what is left.
   */
  readonly kind: DelayKind;
  readonly role: Decision["role"];
  readonly reason: string;
  readonly decidedAtMs: number;
  /** When the job is looked at again at the latest; `null` for never. */
  readonly untilMs: number | null;
  readonly lane: LaneId | null;
  readonly candidates: readonly Candidate[];
  readonly inputs?: DecisionInputs;
}

/** Which model of the caller's chain was taken, and why not the asked one. */
export interface FallbackTaken {
  /** As the caller named it; `Decision.model` is the exact id. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Why no model before it could answer. */
  readonly why: string;
  /** What the translation of the request left out or changed, each `field: what`. */
  readonly notes: readonly string[];
}

/** The candidate that a decision chose; `undefined` for a reuse hit that was not judged by price. */
export const chosenOf = ({ lane, fallback, candidates }: Decision): Candidate | undefined =>
  fallback === undefined ? candidates.find((one) => one.lane === lane) : candidates.find((one) => one.lane === lane && one.model === fallback.name);
