import { type Endpoint, type JobRoute, storedFallbacks, storedRoute } from "@slowboat/contract";
import { answerText, finishOf } from "@slowboat/reuse";
import { accepts, answerFeatures, faultOf, gramsOf, type Policy } from "@slowboat/route";
import type { AnsweredRow, EscalatedJob, RouteBook } from "@slowboat/store";

/** A cheap answer nearer to its deadline than this stands: there is no time left to ask again. */
const ASK_AGAIN_MS = 60_000;

/** A cheap answer that does not stand, and what its job becomes. */
export interface Declined {
  readonly attemptId: string;
  readonly escalated: EscalatedJob;
}

/**
 * Judges the answer of a model that routing asked before the baseline: by checks that cost nothing, and in a cascade by the acceptor. `null` where it
 * stands, or is nobody's to judge (a call that somebody waits for, not the first model's answer, a refusal, an answer given again). A cascade's answer
 * does not stand without the policy that would judge it: a doubt is never settled the cheap way.
 */
export function judgeFirst(row: AnsweredRow, routes: RouteBook, nowMs: number): Declined | null {
  const stored = storedRoute(row.route);
  const ok = row.statusCode >= 200 && row.statusCode < 300;
  if (stored?.prompt === undefined || stored.first === null || row.otherModel === null || !ok || row.sourceAttemptId !== null) return null;
  if (row.jobState !== "placed") return null;
  if (row.deadlineAtMs !== null && row.deadlineAtMs - nowMs < ASK_AGAIN_MS) return null;
  const why = whyNot(row, stored, routes.get(stored.alias)?.policy ?? null);
  if (why === null) return null;
  const chain = storedFallbacks(row.fallbacks).filter(({ model }) => model !== stored.first);
  const { prompt: _prompt, ...record } = stored;
  const route: JobRoute = { ...record, mode: "escalated", first: null, verdict: `${stored.first} answered, but ${why}` };
  return {
    attemptId: row.attemptId,
    escalated: {
      jobId: row.jobId,
      attemptId: row.attemptId,
      route: JSON.stringify(route),
      fallbacks: chain.length === 0 ? null : JSON.stringify(chain),
    },
  };
}

function whyNot(row: AnsweredRow, { prompt, expectedLoss, mode }: JobRoute, policy: Policy | null): string | null {
  const endpoint = (row.otherEndpoint ?? row.endpoint) as Endpoint;
  const body = parsed(row.answer ?? "");
  const text = answerText(endpoint, body);
  // A call of a tool is no text to judge.
  if (text === null) return mode === "cascade" ? "there is no text to judge" : null;
  const fault = faultOf({ text, finish: finishOf(endpoint, body), wantsJson: prompt?.wantsJson ?? false, schema: prompt?.schema ?? null });
  if (fault !== null) return fault;
  if (mode !== "cascade") return null;
  if (policy === null || prompt === undefined) return "the policy that would judge it is gone";
  const features = answerFeatures({ chars: prompt.chars, numbers: new Set(prompt.numbers) }, text);
  const { stands, trust, right } = accepts(policy, { grams: gramsOf(text), features, expectedLoss });
  return stands
    ? null
    : `it is right with probability ${right.toFixed(2)} and its expected loss of ${Math.max(0, -trust).toFixed(3)} is more than is allowed`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
