/**
 * Reuse: when an answer may be given again, and by which key it is found. Exact by construction: the key is a digest of the whole
 * question of one tenant, and only what cannot change the answer is left out of it. And where nothing but the beginning of a question
 * was asked before: which part of a prompt others share, whether it pays to have the provider keep it, and the markers that ask for it. Where only a model can
 * tell whether texts come to the same, how it is asked so that no text speaks to it.
 */
export { answerKeyOf, answerText, type Compared, compareAnswers, sameMeaning } from "./answers.ts";
export { canonicalBody } from "./canonical.ts";
export { judgeBody, judgeEndpoint } from "./judge-request.ts";
export { type ReuseQuestion, reuseKey } from "./key.ts";
export { finishOf, mayKeep, mayReuse, type ReuseMode, readReuseMode } from "./may.ts";
export { markPrompt } from "./prompt-cache/mark.ts";
export { cacheKeyOf, planMarks } from "./prompt-cache/plan-marks.ts";
export { type PrefixLevel, promptPrefix, readLevels, writeLevels } from "./prompt-cache/prefix.ts";
export { bestTtl, CACHE_TTL_MS, type Reuse, shareOf } from "./prompt-cache/worth.ts";
export { type AnswerReading, readAnswer } from "./read-answer.ts";
export { type Namespace, namespaceOf, type SemanticQuestion } from "./semantic/namespace.ts";
export { EMBEDDER, type Question, type QuestionOf, questionOf, type SemanticHit } from "./semantic/question.ts";
export { type ExploredLabels, type RealisedError, realisedError } from "./semantic/realised-error.ts";
export {
  MAX_ERROR_MOST,
  type ReadWish,
  type ReuseWish,
  readMaxError,
  readReuseWish,
  readTtl,
  type SemanticSettings,
  type SemanticTerms,
  storedSemantic,
  storedWish,
  usualWish,
  wishOf,
  writeWish,
} from "./semantic/wish.ts";
