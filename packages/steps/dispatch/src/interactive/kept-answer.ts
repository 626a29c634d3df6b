import { mayReuse, reuseKey } from "@slowboat/reuse";
import { findReusable, type KeptAnswer, readAnswer, type Sql } from "@slowboat/store";
import type { InteractiveRequest } from "./request.ts";

/** A kept answer and the attempt that holds it. */
export type Hit = KeptAnswer & { readonly attemptId: string };

/** What is known of a request before anything is decided: its key where its answer may be shared, and an answer that is kept. */
export interface Kept {
  readonly key: Uint8Array | null;
  readonly hit: Hit | null;
}

/**
 * Looks for an answer to the very same request of the same tenant. A stream never takes a kept answer, which has no events, but
 * its own answer may be kept; a beta header may change what the body means, so such calls stand alone.
 */
export async function keptAnswer(sql: Sql, request: InteractiveRequest, nowMs: number): Promise<Kept> {
  const { tenantId, endpoint, body } = request;
  const beta = request.headers?.["anthropic-beta"] !== undefined;
  if (beta || !mayReuse(endpoint, request.value, request.cacheMode)) return { key: null, hit: null };
  const key = reuseKey({ tenantId, endpoint, model: request.model.model, body });
  if (request.stream) return { key, hit: null };
  const [found] = await findReusable(sql, [{ tenantId, reuseKey: key }], nowMs);
  const attemptId = found?.attemptId ?? null;
  const answer = attemptId === null ? null : await readAnswer(sql, { tenantId, attemptId });
  return { key, hit: answer === null || attemptId === null ? null : { ...answer, attemptId } };
}
