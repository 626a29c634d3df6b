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
  /** How long its answer may be given again, in ms of job time. */
  readonly ttlMs: number;
}

/**
 * The question of a request that may be answered by one that means the same; `null` where the caller does not wish it, the request has no question that
 * stands by itself, or its answer is of the moment.
 */
export function questionOf(request: QuestionOf): Question | null {
  const { tenantId, keyId, endpoint, model, body, value, wish } = request;
  const terms = wish.semantic;
  if (terms === null || !maySemantic(endpoint, value, terms.asked)) return null;
  const found = standaloneText(endpoint, value);
  if ("skip" in found) return null;
  const space = namespaceOf({ tenantId, endpoint, model, body, value, embedder: EMBEDDER }, found.text);
  if (space === null) return null;
  const lifeMs = ttlOf(found.text);
  const ttlMs = terms.ttlMs === null ? lifeMs : Math.min(terms.ttlMs, lifeMs);
  return { tenantId, keyId, endpoint, model, ...space, embedder: EMBEDDER, text: found.text, maxError: terms.maxError, ttlMs };
}

/** Whether a request's answer may be one to other words at all: what looks at the world, leans on state or asks for chance does not. */
function maySemantic(endpoint: Endpoint, value: QuestionOf["value"], asked: boolean): boolean {
  if (endpoint === "/v1/embeddings" || endpoint === "/v1/classifications") return false;
  if (!mayReuse(endpoint, { ...value, temperature: 0 }, "auto")) return false;
  if (typeof value["n"] === "number" && value["n"] > 1) return false;
  return asked || typeof value["temperature"] !== "number" || value["temperature"] === 0;
}

/** A kept answer to another question that means the same, and what speaks for it. */
export interface SemanticHit {
  readonly entryId: string;
  /** The job and the attempt that its answer was made for. */
  readonly jobId: string;
  readonly attemptId: string;
  readonly score: number;
  readonly threshold: number;
  readonly propensity: number;
  readonly reasons: readonly string[];
}
