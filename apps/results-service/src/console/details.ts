import { waitingFor } from "@slowboat/contract";
import { fault, isId } from "@slowboat/kernel";
import {
  listAttempts,
  listDelays,
  readBatchDetail,
  readBatchFaults,
  readBatchReceipt,
  readJob,
  readJobReceipt,
  readResult,
  type ShownAttempt,
  type ShownJob,
  type Sql,
} from "@slowboat/store";
import { decided } from "./decided.ts";
import { settledReceipt } from "./receipt.ts";

const FAULTS_SHOWN = 200;

const stored = (json: string | null): unknown => (json === null ? null : JSON.parse(json));

const jobMembers = (job: ShownJob) => ({
  id: job.id,
  batchId: job.batchId,
  lineNo: job.lineNo,
  customId: job.customId,
  endpoint: job.endpoint,
  model: job.model,
  baselineModel: job.baselineModel,
  state: job.state,
  lane: job.lane,
  acceptedAtMs: job.acceptedAtMs,
  deadlineAtMs: job.deadlineAtMs,
  endedAtMs: job.endedAtMs,
  nextDecisionAtMs: job.nextDecisionAtMs,
  error: stored(job.error),
});

const attemptMembers = ({ decision: _, usage, ...attempt }: ShownAttempt) => ({ ...attempt, usage: stored(usage) });

/** A job of the tenant with what was decided on it, its attempts and its receipt; neither its request nor its answer. A fault when there is none. */
export async function jobPanel(sql: Sql, input: { readonly tenantId: string; readonly id: string }) {
  const job = isId("job", input.id) ? await readJob(sql, input) : null;
  if (job === null) throw fault("not-found", { message: "No such job." });
  const of = { tenantId: input.tenantId, jobId: job.id };
  const [attempts, delays, receipt, result] = await Promise.all([
    listAttempts(sql, of),
    listDelays(sql, of),
    readJobReceipt(sql, of),
    readResult(sql, of),
  ]);
  return {
    ...jobMembers(job),
    waiting: waitingFor(job, attempts.at(-1)),
    decisions: decided(attempts, delays, job.deadlineAtMs),
    attempts: attempts.map(attemptMembers),
    receipt: settledReceipt(receipt),
    result: result === null ? null : { statusCode: result.statusCode, source: result.source, expiresAtMs: result.expiresAtMs },
  };
}

/** A batch of the tenant with what was wrong with its input (the first 200 faults) and its receipt. A fault when there is none. */
export async function batchPanel(sql: Sql, input: { readonly tenantId: string; readonly id: string }) {
  const batch = isId("batch", input.id) || isId("messageBatch", input.id) ? await readBatchDetail(sql, input) : null;
  if (batch === null) throw fault("not-found", { message: "No such batch." });
  const { tenantId, id } = input;
  const [[faults], receipt] = await Promise.all([
    readBatchFaults(sql, { tenantId, ids: [id], most: FAULTS_SHOWN }),
    readBatchReceipt(sql, { tenantId, batchId: id }),
  ]);
  return { ...batch, faults: faults === undefined ? null : { count: faults.count, first: faults.first }, receipt: settledReceipt(receipt) };
}
