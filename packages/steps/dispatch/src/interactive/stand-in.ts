import type { LaneRequest, LaneStream } from "@slowboat/lanes";
import { latestStartMs } from "@slowboat/plan";
import { markPrompt } from "@slowboat/reuse";
import { type AnswerContext, asAsked, createStreamTranslator, fallbackTarget, isTranslatable, translateRequest } from "@slowboat/translate";
import type { Course } from "./house.ts";

/** The endpoint that is asked in place of the caller's; `null` where it is the caller's own. */
const wireOf = ({ request, decision }: Course) =>
  decision.fallback === undefined || decision.fallback.endpoint === request.endpoint ? null : decision.fallback.endpoint;

/**
 * The call as its lane takes it: the caller's body with the decision's markers, or, for a model behind the other API, in that API's shape
 * and without the caller's headers, which mean nothing there. `null` for a body that cannot be translated, which intake had judged otherwise.
 */
export function outgoingCall(course: Course): LaneRequest | null {
  const { request, attempt, decision } = course;
  const { tenantId, inputTokensEst, outputTokensEst, deadlineAtMs, acceptedAtMs } = course.job;
  const dueAtMs = deadlineAtMs === null ? acceptedAtMs : latestStartMs({ outputTokens: outputTokensEst, deadlineAtMs });
  const due = { dueAtMs, lateAtMs: deadlineAtMs ?? undefined };
  const turn = { tenant: tenantId, work: inputTokensEst + outputTokensEst, ...due, urgent: false };
  const to = { attemptId: attempt.id, model: decision.model, turn };
  const wire = wireOf(course);
  if (wire !== null) {
    const said = translateRequest(request.endpoint, wire, request.body, fallbackTarget(decision.model));
    return said.kind === "translated" ? { ...to, endpoint: wire, body: said.body } : null;
  }
  const body = decision.promptCache === undefined ? request.body : markPrompt(request.endpoint, request.body, decision.promptCache);
  return { ...to, endpoint: request.endpoint, body, ...(request.headers === undefined ? {} : { headers: request.headers }) };
}

const contextOf = ({ job, decision, request }: Course, nowMs: number): AnswerContext => ({
  id: job.id.replace("job_", ""),
  model: decision.model,
  nowMs,
  includeUsage: (request.value["stream_options"] as { include_usage?: unknown } | null | undefined)?.include_usage === true,
});

/** What the provider said, in the shape that the caller asked in. */
export const saidAsAsked = (course: Course, said: { readonly statusCode: number; readonly body: string }, nowMs: number) =>
  asAsked({ ...said, wire: wireOf(course) }, course.request.endpoint, contextOf(course, nowMs));

/** A stream in the shape that the caller asked in, as it comes; `whole` tells, once it has ended, whether all of it could be said. */
export function eventsAsAsked(course: Course, stream: LaneStream, nowMs: number): { readonly events: AsyncIterable<string>; whole(): boolean } {
  const wire = wireOf(course);
  const asked = course.request.endpoint;
  if (wire === null || !isTranslatable(wire) || !isTranslatable(asked)) return { events: stream.events, whole: () => true };
  const translator = createStreamTranslator(wire, asked, contextOf(course, nowMs));
  return { events: translated(stream.events, translator), whole: () => translator.outcome === "whole" };
}

async function* translated(events: AsyncIterable<string>, translator: ReturnType<typeof createStreamTranslator>): AsyncGenerator<string> {
  for await (const event of events) yield* translator.push(event);
  yield* translator.end();
}
