import type { Store } from "@slowboat/store";
import type { Caller } from "./caller.ts";
import type { Receiver } from "./receiver.ts";
import type { Accepted } from "./submit.ts";

/** What became of the work, seen with a caller's eyes. */
export interface WorkAudit {
  /** Accepted and without a result, an error or the caller's own cancellation. */
  readonly lost: number;
  /** Answered or announced more than once. */
  readonly doubled: number;
  readonly webhooks: { readonly owed: number; readonly delivered: number };
  readonly findings: readonly string[];
}

const AT_ONCE = 8;

interface Tally {
  lost: number;
  doubled: number;
  readonly findings: string[];
  /** How each subject that owes an announcement ended. */
  readonly owed: Map<string, string>;
}

/** Asks for everything that was accepted. `unfinished` are jobs that have not ended at all; every one is lost. */
export async function auditWork(at: {
  readonly caller: Caller;
  readonly store: Store;
  readonly receiver: Receiver;
  readonly accepted: Accepted;
}): Promise<WorkAudit> {
  const { caller, accepted } = at;
  const tally: Tally = { lost: accepted.calls.unanswered, doubled: 0, findings: [], owed: new Map() };
  if (accepted.calls.unanswered > 0) tally.findings.push(`${accepted.calls.unanswered} calls came back without an answer or an error`);
  const [open] = await at.store.sql<
    { n: number }[]
  >`select count(*)::int as n from job where state in ('accepted', 'placed') and surface <> 'native' and batch_id is null`;
  tally.lost += open?.n ?? 0;
  if (open !== undefined && open.n > 0) tally.findings.push(`${open.n} calls were answered and their jobs have not ended`);
  find(tally, "doubled", accepted.twins, `${accepted.twins} submissions under one Idempotency-Key came to two things`);
  await each(accepted.jobs, (job) => auditJob(caller, job, tally));
  await each(accepted.batches, (batch) =>
    batch.surface === "openai" ? auditOpenAiBatch(caller, batch, tally) : auditMessageBatch(caller, batch, tally),
  );
  const webhooks = auditWebhooks(at.receiver, tally);
  return { lost: tally.lost, doubled: tally.doubled, webhooks, findings: tally.findings };
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const one = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

function find(tally: Tally, kind: "lost" | "doubled", count: number, what: string): void {
  if (count === 0) return;
  tally[kind] += count;
  tally.findings.push(what);
}

async function auditJob(caller: Caller, job: Accepted["jobs"][number], tally: Tally): Promise<void> {
  const shown = JSON.parse(await caller.insist("GET", `/v1/jobs/${job.id}`)) as { state: string; result: { body: unknown } | null; error: unknown };
  if (job.callback) tally.owed.set(job.id, `job.${shown.state}`);
  const ended =
    shown.state === "cancelled" || (shown.state === "completed" && shown.result?.body != null) || (shown.state === "failed" && shown.error !== null);
  find(tally, "lost", ended ? 0 : 1, `job ${job.id} is ${shown.state} without a result or an error`);
}

const idsIn = (jsonl: string, isWhole: (row: Record<string, unknown>) => boolean): string[] =>
  jsonl.split("\n").flatMap((line) => {
    if (line.trim() === "") return [];
    const row = JSON.parse(line) as Record<string, unknown>;
    return isWhole(row) ? [String(row["custom_id"])] : [];
  });

function auditLines(batch: Accepted["batches"][number], ids: readonly string[], tally: Tally): void {
  const different = new Set(ids);
  const missing = batch.customIds.filter((id) => !different.has(id));
  find(tally, "doubled", ids.length - different.size, `batch ${batch.id} answers ${ids.length - different.size} lines twice`);
  find(
    tally,
    "lost",
    missing.length,
    `batch ${batch.id} has no answer to ${missing.length} of ${batch.customIds.length} lines (${missing.slice(0, 2).join(", ")})`,
  );
}

async function auditOpenAiBatch(caller: Caller, batch: Accepted["batches"][number], tally: Tally): Promise<void> {
  const shown = JSON.parse(await caller.insist("GET", `/v1/batches/${batch.id}`)) as {
    status: string;
    output_file_id: string | null;
    error_file_id: string | null;
    request_counts: { total: number };
  };
  if (batch.callback) tally.owed.set(batch.id, `batch.${shown.status}`);
  if (!["completed", "cancelled"].includes(shown.status)) tally.findings.push(`batch ${batch.id} is ${shown.status}`);
  // Cancelled before its file was read, it has no lines to answer.
  if (shown.status === "cancelled" && shown.request_counts.total === 0) return;
  const ids: string[] = [];
  for (const file of [shown.output_file_id, shown.error_file_id]) {
    if (file === null) continue;
    const text = await caller.insist("GET", `/v1/files/${file}/content`);
    ids.push(...idsIn(text, ({ response, error }) => response != null || error != null));
  }
  auditLines(batch, ids, tally);
}

async function auditMessageBatch(caller: Caller, batch: Accepted["batches"][number], tally: Tally): Promise<void> {
  const shown = JSON.parse(await caller.insist("GET", `/v1/messages/batches/${batch.id}`)) as { processing_status: string };
  if (shown.processing_status !== "ended") {
    find(tally, "lost", batch.customIds.length, `message batch ${batch.id} is ${shown.processing_status}`);
    return;
  }
  const text = await caller.insist("GET", `/v1/messages/batches/${batch.id}/results`);
  auditLines(
    batch,
    idsIn(text, ({ result }) => result != null),
    tally,
  );
}

/** A cancelled job may have been answered and paid for already; the answer then supersedes the cancellation, and both are told. */
const SUPERSEDED = "job.cancelled";

function auditWebhooks(receiver: Receiver, tally: Tally): WorkAudit["webhooks"] {
  let delivered = 0;
  for (const [subject, type] of tally.owed) {
    const heard = receiver.heard.get(subject);
    if (heard?.has(type) === true) delivered++;
    else tally.findings.push(`${type} of ${subject} was not announced`);
    const tellings = [...(heard ?? [])].filter(([told]) => told === type || told !== SUPERSEDED).reduce((sum, [, ids]) => sum + ids.size, 0);
    const types = [...(heard?.keys() ?? [])].join(" and ");
    find(tally, "doubled", Math.max(0, tellings - 1), `the end of ${subject} was announced under ${tellings} ids, as ${types}`);
  }
  const strangers = [...receiver.heard.keys()].filter((subject) => !tally.owed.has(subject));
  if (strangers.length > 0) tally.findings.push(`${strangers.length} announcements are of nothing that asked for one`);
  if (receiver.forged() > 0) tally.findings.push(`${receiver.forged()} announcements are not signed`);
  return { owed: tally.owed.size, delivered };
}
