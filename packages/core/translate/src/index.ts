/**
 * Translate: OpenAI chat completions and Anthropic messages, either as the other. It exists so that a caller of one API can be answered by
 * a model behind the other when its own provider cannot: request, answer, error and stream, from text to text. Whatever has no counterpart
 * is noted or makes the request untranslatable; nothing is dropped without a word.
 */
export { type AnswerContext, type TranslatedAnswer, translateAnswer } from "./answer.ts";
export { asAsked, type RawAnswer } from "./as-asked.ts";
export { type TranslatedError, translateError } from "./error.ts";
export type { StreamOutcome } from "./events.ts";
export { canTranslate, isTranslatable, type TranslatableEndpoint, type TranslatedRequest, translateRequest } from "./request.ts";
export { createStreamTranslator, type StreamTranslator } from "./stream.ts";
export { fallbackTarget, type Target } from "./target.ts";
