import type { LaneId } from "@slowboat/contract";
import { mayReuse, questionOf, reuseKey, type SemanticHit } from "@slowboat/reuse";
import { findReusable, type KeptAnswer, readAnswer, type Sql } from "@slowboat/store";
import { replayEvents } from "./replay-events.ts";
import type { InteractiveRequest } from "./request.ts";
import type { SemanticAsked, SemanticCalls } from "./semantic-calls.ts";

/** A kept answer and the attempt that holds it; `semantic` where it is one to another question that means the same, `events` where the caller wants a stream. */
export type Hit = KeptAnswer & { readonly attemptId: string; readonly semantic: SemanticHit | null; readonly events: readonly string[] | null };

/** What is known of a request before anything is decided: its key where its answer may be shared, and an answer that is kept. */
export interface Kept {
  readonly key: Uint8Array | null;
  readonly hit: Hit | null;
  /** The question where it was looked up by its meaning. */
  readonly asked: SemanticAsked | null;
}

/**
 * Looks for an answer to the very same request of the same tenant, then, on the caller's terms, for one to a question that means the same. A stream
 * takes no exact repetition, but its own answer may be kept, and that to other words is told again in events; a beta header may change what the body means, so such calls stand alone.
 */
export async function keptAnswer(sql: Sql, semantic: SemanticCalls | undefined, request: InteractiveRequest, nowMs: number): Promise<Kept> {
  const beta = request.headers?.["anthropic-beta"] !== undefined;
  const nothing: Kept = { key: null, hit: null, asked: null };
  if (beta) return nothing;
  const exact = await exactAnswer(sql, request, nowMs);
  const mute = request.stream && request.endpoint === "/v1/responses";
  if (exact.hit !== null || mute || semantic === undefined || !mayCache(request)) return exact;
  const { tenantId, keyId, endpoint, body, value, model, cache } = request;
  const question = questionOf({ tenantId, keyId, endpoint, model: model.model, body, value, wish: cache });
  if (question === null) return exact;
  const asked = await semantic.ask(question);
  const found = asked.hit === null ? null : await readAnswer(sql, { tenantId, attemptId: asked.hit.attemptId });
  if (found === null || asked.hit === null) return { ...exact, asked };
  const events = request.stream ? replayEvents(endpoint, found.answer, value) : null;
  if (request.stream && events === null) return { ...exact, asked };
  return { ...exact, hit: { ...found, attemptId: asked.hit.attemptId, semantic: asked.hit, events }, asked };
}

async function exactAnswer(sql: Sql, request: InteractiveRequest, nowMs: number): Promise<Kept> {
  const { tenantId, endpoint, body } = request;
  if (!mayReuse(endpoint, request.value, request.cache.mode)) return { key: null, hit: null, asked: null };
  const key = reuseKey({ tenantId, endpoint, model: request.model.model, body });
  if (request.stream) return { key, hit: null, asked: null };
  const [found] = await findReusable(sql, [{ tenantId, reuseKey: key }], nowMs);
  const attemptId = found?.attemptId ?? null;
  const answer = attemptId === null ? null : await readAnswer(sql, { tenantId, attemptId });
  return { key, hit: answer === null || attemptId === null ? null : { ...answer, attemptId, semantic: null, events: null }, asked: null };
}

/** Whether the caller's lanes include the cache at all. */
const mayCache = ({ allow, deny }: { readonly allow: readonly LaneId[] | null; readonly deny: readonly LaneId[] | null }): boolean =>
  (allow === null || allow.includes("cache")) && deny?.includes("cache") !== true;
