/**
 * Semantic reuse: answers already paid for, given to questions that mean the same. It makes the vector of a question, finds what lies near it within its own
 * namespace, lets the core decide, writes the decision down with its chance, and learns from every answer that was made in spite of one that lay
 * near. Nothing is loaded or read for those who do not use it.
 */
export {
  type Asked,
  closeness,
  closeSemantic,
  openSemantic,
  type SemanticCalls,
  type SemanticParts,
  type SemanticSettings,
  semanticCalls,
  warmSemantic,
} from "./create-semantic.ts";
export { type WaitingAsks, waitingAsks } from "./decide-waiting.ts";
export { takeVerdicts } from "./judge.ts";
export type { JudgeDesk } from "./judge-desk.ts";
export { learnAnswered, noteForgotten } from "./learn.ts";
