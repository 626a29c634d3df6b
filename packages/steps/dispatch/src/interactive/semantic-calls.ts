import type { Question, SemanticHit } from "@slowboat/reuse";

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
