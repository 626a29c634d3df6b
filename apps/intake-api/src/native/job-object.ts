import { type Endpoint, isAccount, storedFallbacks, waitingFor } from "@slowboat/contract";
import { formatUsd, nano } from "@slowboat/kernel";
import { waterfallOf } from "@slowboat/pricing";
import type { ReceiptRow, ShownAttempt, ShownJob, ShownResult } from "@slowboat/store";
import { asAsked } from "@slowboat/translate";
import { EMULATED_LABEL } from "../http/env.ts";

const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
const stored = (json: string | null): unknown => (json === null ? null : JSON.parse(json));
const snakeCase = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([a-zA-Z])(\d)/g, "$1_$2")
    .toLowerCase();

/** A record of ours under the API's own names: `cacheWrite5m` is `cache_write_5m`, all the way down. */
function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [snakeCase(name), renamed(member)]));
}

/** What of a job never changes after it was accepted. */
type Fixed = Pick<
  ShownJob,
  | "id"
  | "endpoint"
  | "model"
  | "batchId"
  | "customId"
  | "deadlineAtMs"
  | "acceptedAtMs"
  | "callbackUrl"
  | "metadata"
  | "maxCostNano"
  | "lanesAllow"
  | "lanesDeny"
> & { readonly fallbacks?: string | null | undefined; readonly admission?: string | null | undefined };

const fixedMembers = (job: Fixed): Record<string, unknown> => ({
  endpoint: job.endpoint,
  model: job.model,
  batch_id: job.batchId,
  custom_id: job.customId,
  deadline: instant(job.deadlineAtMs),
  accepted_at: instant(job.acceptedAtMs),
  allow: job.lanesAllow,
  deny: job.lanesDeny,
  fallbacks: storedFallbacks(job.fallbacks ?? null).map(({ model }) => model),
  admission: job.admission ?? "best_effort",
  max_cost_usd: job.maxCostNano === null ? null : formatUsd(nano(job.maxCostNano)),
  callback_url: job.callbackUrl,
  metadata: stored(job.metadata),
});

/** The answer to an accepted job. Made of what never changes, so that a replayed request gets the same answer. */
export const acceptedObject = (job: Fixed): Record<string, unknown> => ({ id: job.id, object: "job", state: "accepted", ...fixedMembers(job) });

/** Only an answer in time meets a deadline: a job that failed has missed it, one that was cancelled has none any more. */
function deadlineMet({ state, deadlineAtMs, endedAtMs }: ShownJob): boolean | null {
  if (deadlineAtMs === null || endedAtMs === null || state === "cancelled") return null;
  return state === "completed" && endedAtMs <= deadlineAtMs;
}

/** A job in a list. */
export const jobObject = (job: ShownJob): Record<string, unknown> => ({
  id: job.id,
  object: "job",
  state: job.state,
  ...fixedMembers(job),
  lane: job.lane,
  attempts: job.attempts,
  ended_at: instant(job.endedAtMs),
  deadline_met: deadlineMet(job),
  error: errorObject(job),
});

const MESSAGE_CHARS = 2000;

/** Why a job failed: our own words, or code and message out of the provider's error, which the result shows whole. `null` for any other job. */
function errorObject(job: ShownJob): unknown {
  if (job.error !== null || job.state !== "failed") return stored(job.error);
  const status = job.refusedStatus;
  const { code, message } = providerError(job.refusal);
  const plain = `The provider refused the request${status === null ? "" : ` with status ${status}`}.`;
  return { code: code ?? "provider-refused", message: message?.slice(0, MESSAGE_CHARS) ?? plain, status };
}

/** Code (or type) and message of an error envelope of either API; `null` for what it does not hold. */
function providerError(body: string | null): { readonly code: string | null; readonly message: string | null } {
  const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
  try {
    const { error } = JSON.parse(body ?? "") as { error?: { code?: unknown; type?: unknown; message?: unknown } };
    return { code: text(error?.code) ?? text(error?.type), message: text(error?.message) };
  } catch {
    return { code: null, message: null };
  }
}

const attemptObject = (attempt: ShownAttempt): Record<string, unknown> => ({
  id: attempt.id,
  seq: attempt.seq,
  lane: attempt.lane,
  ...(attempt.model === null ? {} : { model: attempt.model, endpoint: attempt.endpoint }),
  state: attempt.state,
  role: attempt.role,
  status_code: attempt.statusCode,
  request_id: attempt.requestId,
  service_tier: attempt.tier,
  error_code: attempt.errorCode,
  usage: renamed(stored(attempt.usage)),
  emulated: attempt.emulated,
  created_at: instant(attempt.createdAtMs),
  sent_at: instant(attempt.sentAtMs),
  answered_at: instant(attempt.answeredAtMs),
  settled_at: instant(attempt.settledAtMs),
});

const money = (name: string, amount: bigint): Record<string, string> => ({
  [`${name}_nano`]: amount.toString(),
  [`${name}_usd`]: formatUsd(nano(amount)),
});

/**
 * A job's receipt as the ledger has it: list price, one line a mechanism in fixed order (savings positive, waste negative), paid:
 * list − Σ lines = paid. `null` before the first settlement; an unpriced job says so instead of showing 0.
 */
function receiptObject(rows: readonly ReceiptRow[]): Record<string, unknown> | null {
  if (rows.length === 0) return null;
  const emulated = rows.some((row) => row.emulated);
  const label = emulated ? { emulated, note: EMULATED_LABEL } : { emulated };
  const priced = rows.every((row) => row.priced);
  if (!priced) return { priced, ...label };
  const { listNano, lines, paidNano } = waterfallOf(
    rows.flatMap(({ account, amountNano }) => (account !== null && isAccount(account) ? [{ account, amountNano: amountNano ?? 0n }] : [])),
  );
  return {
    priced,
    ...label,
    ...money("list", listNano),
    lines: lines.map(({ account, amountNano }) => ({ account, ...money("amount", amountNano) })),
    ...money("paid", paidNano),
  };
}

/**
 * A whole job as JSON text. The answer is spliced in as the provider wrote it, never parsed and written again, unless another API's model
 * stood in.
 */
export function jobDetail(
  job: ShownJob,
  parts: {
    readonly attempts: readonly ShownAttempt[];
    readonly result: ShownResult | null;
    readonly receipt: readonly ReceiptRow[];
    /** Why it was not placed so far, where it never was. */
    readonly delay: Record<string, unknown> | null;
  },
): string {
  const detail = {
    ...jobObject(job),
    decision: renamed(stored(parts.attempts.at(-1)?.decision ?? null)) ?? parts.delay,
    waiting: waitingFor(job, parts.attempts.at(-1)),
    waiting_until: job.state === "accepted" ? instant(job.nextDecisionAtMs) : null,
    attempts: parts.attempts.map(attemptObject),
    receipt: receiptObject(parts.receipt),
  };
  return `${JSON.stringify(detail).slice(0, -1)},"result":${resultText(job, parts.result)}}`;
}

/** The answer in the shape of the job's own endpoint, with the model's name where another one stood in. */
function resultText(job: ShownJob, result: ShownResult | null): string {
  if (result === null) return "null";
  const { answer, otherModel } = result;
  const context = { id: job.id.replace("job_", ""), model: otherModel ?? job.model, nowMs: result.answeredAtMs ?? result.createdAtMs };
  const raw = { statusCode: result.statusCode, body: answer ?? "", wire: result.otherEndpoint as Endpoint | null };
  const said = answer === null ? raw : asAsked(raw, job.endpoint as Endpoint, context);
  const head = JSON.stringify({
    status_code: said.statusCode,
    ...(otherModel === null ? {} : { model: otherModel }),
    source: result.source,
    created_at: instant(result.createdAtMs),
    expires_at: instant(result.expiresAtMs),
  });
  return `${head.slice(0, -1)},"body":${bodyText(answer === null ? null : said.body)}}`;
}

/** A provider's answer is JSON but for the odd gateway page, which is shown as a text. */
function bodyText(answer: string | null): string {
  if (answer === null) return "null";
  try {
    JSON.parse(answer);
    return answer;
  } catch {
    return JSON.stringify(answer);
  }
}
