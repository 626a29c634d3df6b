import type { Question } from "@slowboat/reuse";

/** An answer to another question that means the same. */
export interface SemanticHit {
  readonly entryId: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly score: number;
  readonly threshold: number;
  readonly propensity: number;
  readonly reasons: readonly string[];
}

/** A question that was looked up. */
export interface SemanticAsked {
  readonly hit: SemanticHit | null;
  /** Writes it down beside its job; `given` is false where the hit was not used after all. */
  log(jobId: string, given: boolean): Promise<void>;
}

/** Looks up questions whose callers wait: what the app joins with the step of that name. */
export interface SemanticCalls {
  ask(question: Question): Promise<SemanticAsked>;
}
