/** An answered question near the one that is asked. */
export interface Neighbour {
  readonly id: string;
  /** The question that it answered, as `standaloneText` gave it. */
  readonly text: string;
  /** Cosine of the two questions' vectors, -1 to 1. */
  readonly similarity: number;
  /** Equality class of its answer: the same string is the same answer. */
  readonly answerKey: string;
  readonly ageMs: number;
  /** How often it was handed out before. */
  readonly hits: number;
}

/** A question with what lies near it in its own namespace. */
export interface ReuseAsk {
  readonly text: string;
  /** At most 16 are looked at, nearest first. Give at least 8 where there are as many: their agreement is evidence. */
  readonly neighbours: readonly Neighbour[];
  /** Share of all requests of this namespace that may be answered wrongly by reuse, 0 to 1 exclusive. */
  readonly allowedError: number;
}

/** What to do with a question, and why. */
export interface ReuseDecision {
  /**
   * - `reuse`: hand out the answer of `id`
   * - `explore`: it would be handed out, but is asked anew so that something is learned; `id` is the entry to compare with
   * - `miss`: ask anew
   */
  readonly kind: "reuse" | "explore" | "miss";
  /** The entry that is, or would be, handed out; `null` for a miss. */
  readonly id: string | null;
  /** The entry that a label is about, also for a miss; `null` when nothing lies near. Often the nearest, but not always: what many neighbours answer wins. */
  readonly candidate: string | null;
  /** The verifier's belief that the candidate's answer is right, 0 to 1. */
  readonly score: number;
  /** Reused when the score is above it; 2 means never. */
  readonly threshold: number;
  /** The chance with which this kind was chosen. A label of an `explore` weighs one over it. */
  readonly propensity: number;
  /** In words for people and logs, without any text of the questions. */
  readonly reasons: readonly string[];
  /** A miss close below the threshold: where a judgement costs less than a fifth of an answer, a cheap judge may be asked. */
  readonly gray: boolean;
}

/** A label for a decision: whether the answer of its candidate equals the one that was made. */
export interface ReuseLabel {
  readonly ask: ReuseAsk;
  readonly decision: ReuseDecision;
  readonly label: boolean;
  readonly nowMs: number;
}
