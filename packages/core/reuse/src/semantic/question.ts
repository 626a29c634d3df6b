import type { Endpoint } from "@slowboat/contract";
import { standaloneText, ttlOf } from "@slowboat/reuse-semantic";
import { mayReuse } from "../may.ts";
import { type Namespace, namespaceOf } from "./namespace.ts";
import type { ReuseWish } from "./wish.ts";

/** Which encoder makes the vectors. Vectors of two encoders do not compare: another name is another storage. */
export const EMBEDDER = "use-lite-en-0.2.0-int8";

/** A request as it is looked at for reuse by meaning. */
export interface QuestionOf {
  readonly tenantId: string;
  readonly keyId: string;
  readonly endpoint: Endpoint;
  /** The exact model that the caller's name stands for. */
  readonly model: string;
  readonly body: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly wish: ReuseWish;
}

/** A question that may be answered by one that means the same. */
export interface Question extends Namespace {
  readonly tenantId: string;
  readonly keyId: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly embedder: string;
  /** What is compared. */
  readonly text: string;
  readonly maxError: number;
  /** How long its answer may be given again, in ms of job time; `null` for as long as it is kept. */
  readonly ttlMs: number | null;
}

/** Texts beyond this are no questions that somebody asks again in other words; only their first 1,024 tokens would be compared. */
const TEXT_CHARS_MAX = 4_000;

/**
 * The question of a request that may be answered by one that means the same; `null` where the caller does not wish it, the request has no question that
 * stands by itself, or its answer is of the moment.
 */
export function questionOf(request: QuestionOf): Question | null {
  const { tenantId, keyId, endpoint, model, body, value, wish } = request;
  const terms = wish.semantic;
  if (terms === null || !maySemantic(endpoint, value, terms.asked)) return null;
  const found = standaloneText(endpoint, value);
  if (!("text" in found) || found.text.length > TEXT_CHARS_MAX) return null;
  const volatileMs = ttlOf(found.text);
  if (volatileMs !== null && volatileMs <= 0) return null;
  const space = namespaceOf({ tenantId, endpoint, model, body, value, embedder: EMBEDDER }, found.text);
  if (space === null) return null;
  const ttlMs = least(terms.ttlMs, volatileMs);
  return { tenantId, keyId, endpoint, model, ...space, embedder: EMBEDDER, text: found.text, maxError: terms.maxError, ttlMs };
}

const least = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b));

/** Whether a request's answer may be one to other words at all: what looks at the world, leans on state or asks for chance does not. */
function maySemantic(endpoint: Endpoint, value: QuestionOf["value"], asked: boolean): boolean {
  if (endpoint === "/v1/embeddings" || endpoint === "/v1/classifications") return false;
  if (!mayReuse(endpoint, { ...value, temperature: 0 }, "auto")) return false;
  if (typeof value["n"] === "number" && value["n"] > 1) return false;
  return asked || typeof value["temperature"] !== "number" || value["temperature"] === 0;
}
