import { fault } from "@slowboat/kernel";
import type { Endpoint, Provider } from "./endpoints.ts";

/** A model that may answer in the asked one's place, as intake judged it for one request. A job keeps its list as JSON. */
export interface Fallback {
  /** As the caller wrote it: an exact id or an alias. */
  readonly model: string;
  readonly provider: Provider;
  /** Where it is asked: the request's own endpoint, or the other API's. */
  readonly endpoint: Endpoint;
  /** Why the request cannot be put to it, `field: why`; absent where it can. */
  readonly refused?: string;
  /** What the translation leaves out or changes, each `field: what`; absent where nothing. */
  readonly notes?: readonly string[];
}

/** More models than this in a chain are refused: each may cost a caller two tries. */
const FALLBACKS_MAX = 4;

/** A stored list of fallbacks; empty for none. */
export const storedFallbacks = (json: string | null): readonly Fallback[] => (json === null ? [] : (JSON.parse(json) as Fallback[]));

/** Which models a tenant lets be asked where another was named: candidates of its aliases and fallbacks. A pinned model is its caller's own choice. */
export interface ModelRule {
  /** Only these; `null` for all. */
  readonly allow: readonly string[] | null;
  /** None of these, whatever is allowed. */
  readonly deny: readonly string[];
}

/** A tenant's stored rule; `null` where everything may be asked. */
export const storedModelRule = (json: string | null): ModelRule | null => (json === null ? null : (JSON.parse(json) as ModelRule));

/** A stored list of model names; `null` where none was stored, which is not the same as an empty one. */
export const storedNames = (json: string | null): readonly string[] | null => (json === null ? null : (JSON.parse(json) as string[]));

/** True for the member `fallbacks` of a request as we understand it, a list of names; one of objects is a provider's own feature and is left alone. */
export const isNameList = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every((one) => typeof one === "string");

/** A name may stand twice in a list; a list many times as long as there may be names is refused unread. */
const WORDS_MAX = 16 * FALLBACKS_MAX;

/** Names out of a list or a comma-separated text, each once; a fault that names `param` for more than there may be. */
export function readNames(value: readonly string[] | string, param: string): readonly string[] {
  const words = typeof value === "string" ? value.split(",", WORDS_MAX + 1) : value;
  if (words.length > WORDS_MAX) throw fault("invalid-request", { param, message: `'${param}' may name at most ${FALLBACKS_MAX} models.` });
  const names = [...new Set(words.map((word) => word.trim()).filter((word) => word !== ""))];
  if (names.length > FALLBACKS_MAX) throw fault("invalid-request", { param, message: `'${param}' may name at most ${FALLBACKS_MAX} models.` });
  return names;
}
