import type { Installation } from "./installation.ts";
import { type Delivery, isSigned } from "./receiver.ts";
import type { Accepted } from "./work.ts";

/** Reads what is wrong with an installation whose work has ended: one sentence a finding, none when everything adds up. */
export async function audit(at: Installation, accepted: Accepted, deliveries: readonly Delivery[]): Promise<string[]> {
  const parts = await Promise.all([
    auditJobs(at, accepted),
    auditLedger(at),
    auditInvoice(at),
    auditBatches(at, accepted),
    auditWebhooks(at, accepted, deliveries),
  ]);
  return parts.flat();
}

/** What has not ended yet, by kind and state; empty when everything has. */
export async function unfinished(at: Installation): Promise<string[]> {
  const rows = await at.store.sql<{ what: string; n: number }[]>`
    select 'job ' || state as what, count(*)::int as n from job where state in ('accepted', 'placed') group by 1
    union all select 'batch ' || state, count(*)::int from batch where state not in ('completed', 'failed', 'cancelled') group by 1
    union all select 'webhook ' || state, count(*)::int from webhook_event where state = 'pending' group by 1
    union all select 'attempt ' || lane || ' ' || state, count(*)::int from attempt where state in ('intent', 'sending', 'placed', 'answered') group by 1
    union all select 'logged calls', count(*)::int from call_log having count(*) > 0
    union all select 'dispatch ' || lane || ' ' || state, count(*)::int from dispatch where state in ('queued', 'running', 'submitted') group by 1`;
  return rows.map(({ what, n }) => `${n} ${what}`);
}

const count = (what: string, n: number): string[] => (n === 0 ? [] : [`${n} ${what}`]);

async function auditJobs(at: Installation, accepted: Accepted): Promise<string[]> {
  const { sql } = at.store;
  const expected = accepted.jobs.length + accepted.batches.reduce((sum, batch) => sum + batch.customIds.length, 0);
  const [facts] = await sql<{ jobs: number; completed: number; results: number; lost: number }[]>`
    select (select count(*) from job)::int as jobs, (select count(*) from job where state = 'completed')::int as completed,
      (select count(*) from job j where j.state = 'completed' and not exists (select 1 from result r where r.job_id = j.id))::int as lost,
      (select count(*) from result)::int as results`;
  const failures = await sql<{ state: string; error: string | null; n: number }[]>`
    select state, error, count(*)::int as n from job where state <> 'completed' group by state, error order by n desc limit 5`;
  const known = await sql<{ id: string }[]>`select id from job where id = any(${accepted.jobs}::text[])`;
  return [
    ...(facts?.jobs === expected ? [] : [`${expected} jobs were accepted and ${facts?.jobs} are known`]),
    ...(known.length === new Set(accepted.jobs).size ? [] : [`of ${accepted.jobs.length} native jobs ${known.length} are known`]),
    ...(facts?.completed === facts?.results ? [] : [`${facts?.completed} jobs completed with ${facts?.results} results`]),
    ...count("completed jobs have no result", facts?.lost ?? 0),
    ...failures.map((row) => `${row.n} jobs are ${row.state}: ${row.error}`),
  ];
}

async function auditLedger(at: Installation): Promise<string[]> {
  const { sql } = at.store;
  const unbalanced = await sql`select txn_id from ledger_entry group by txn_id having sum(amount_nano) <> 0`;
  const twice = await sql`select attempt_id from ledger_txn where kind in ('settle', 'waste') group by attempt_id having count(*) > 1`;
  const settles = await sql<{ n: number; jobs: number }[]>`
    select t.n, count(*)::int as jobs from (select j.id, (select count(*) from ledger_txn t where t.job_id = j.id and t.kind = 'settle')::int as n from job j where j.state = 'completed') t
    where t.n <> 1 group by t.n`;
  const unpriced = await sql`select id from ledger_txn where not priced`;
  const open = await sql`
    select a.id from attempt a where a.state = 'settled' and a.status_code between 200 and 299 and not exists (select 1 from ledger_txn t where t.attempt_id = a.id)`;
  return [
    ...count("ledger transactions do not balance", unbalanced.length),
    ...count("attempts have more than one ledger transaction", twice.length),
    ...settles.map((row) => `${row.jobs} completed jobs have ${row.n} settlements`),
    ...count("ledger transactions have no price", unpriced.length),
    ...count("settled attempts are in no ledger transaction", open.length),
  ];
}

/** A line of the provider's bill, as far as it is compared. */
interface Charge {
  readonly customId: string | null;
  readonly clientRequestId: string | null;
  readonly nanoUsd: string;
}

interface PaidAttempt {
  readonly id: string;
  readonly state: string;
  readonly lane: string;
  readonly estimate: bigint | null;
  /** What the ledger owes for it; `null` without a transaction. */
  readonly owed: bigint | null;
}

/** The provider's own bill against ours: nothing paid that we do not know of, nothing booked that was not billed, and the same sum. */
async function auditInvoice(at: Installation): Promise<string[]> {
  const answer = await fetch(`${at.emulator()}/emulator/invoice`, { signal: AbortSignal.timeout(20_000) });
  const { lines } = (await answer.json()) as { lines: Charge[] };
  const attempts = await at.store.sql<PaidAttempt[]>`
    select a.id, a.state, a.lane, a.estimate_nano as estimate,
      (select sum(e.amount_nano)::int8 from ledger_txn t join ledger_entry e on e.txn_id = t.id where t.attempt_id = a.id and e.account in ('payable.openai', 'payable.anthropic')) as owed
    from attempt a where a.lane not in ('pool', 'cache') and (a.status_code is null or a.status_code < 300)`;
  const known = new Map(attempts.map((attempt) => [attempt.id, attempt]));
  const billed = new Map<string, bigint[]>();
  for (const line of lines) {
    const id = line.customId ?? line.clientRequestId ?? "";
    billed.set(id, [...(billed.get(id) ?? []), BigInt(line.nanoUsd)]);
  }
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n);
  const strangers = [...billed.keys()].filter((id) => !known.has(id));
  const unheard = [...billed.keys()]
    .map((id) => known.get(id))
    .filter((attempt) => attempt !== undefined && !["settled", "unknown"].includes(attempt.state));
  const twice = [...billed.values()].filter((amounts) => amounts.length > 1);
  const unbilled = attempts.filter((attempt) => attempt.state === "settled" && !billed.has(attempt.id));
  const other = attempts.filter((attempt) => attempt.state === "settled" && (attempt.owed ?? 0n) !== sum(billed.get(attempt.id) ?? []));
  const dear = attempts.filter((attempt) => attempt.state === "unknown" && (attempt.estimate ?? 0n) < sum(billed.get(attempt.id) ?? []));
  const total = sum([...billed.values()].flat());
  const accounted = sum(attempts.map((attempt) => (attempt.state === "unknown" ? (attempt.estimate ?? 0n) : (attempt.owed ?? 0n))));
  return [
    ...count("lines of the bill belong to no attempt", strangers.length),
    ...[...new Set(unheard.map((attempt) => attempt?.state))].map(
      (state) => `${unheard.filter((attempt) => attempt?.state === state).length} billed attempts are ${state}`,
    ),
    ...count("attempts are billed more than once", twice.length),
    ...count("settled attempts are on no bill", unbilled.length),
    ...other
      .slice(0, 3)
      .map(
        (attempt) =>
          `attempt ${attempt.id} on ${attempt.lane} owes ${attempt.owed} and is billed ${billed.get(attempt.id)?.join("+")} (${other.length} such)`,
      ),
    ...count("attempts in suspense cost more than their estimate", dear.length),
    ...(total <= accounted ? [] : [`the bill is ${total} nano-USD and only ${accounted} are accounted for`]),
  ];
}

async function auditBatches(at: Installation, accepted: Accepted): Promise<string[]> {
  const headers = { authorization: `Bearer ${at.key}`, "anthropic-version": "2023-06-01" };
  const read = async (path: string): Promise<Response> => {
    const answer = await fetch(`${at.url}${path}`, { headers, signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
    return answer;
  };
  const idsIn = (jsonl: string): string[] =>
    jsonl.split("\n").flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { custom_id: string }).custom_id]));
  const findings: string[] = [];
  for (const batch of accepted.batches) {
    let ids: string[];
    if (batch.surface === "anthropic") {
      ids = idsIn(await (await read(`/v1/messages/batches/${batch.id}/results`)).text());
    } else {
      const shown = (await (await read(`/v1/batches/${batch.id}`)).json()) as { status: string; output_file_id: string | null };
      if (shown.status !== "completed") findings.push(`batch ${batch.id} is ${shown.status}`);
      ids = shown.output_file_id === null ? [] : idsIn(await (await read(`/v1/files/${shown.output_file_id}/content`)).text());
    }
    const same = [...ids].sort().join() === [...batch.customIds].sort().join();
    if (!same) findings.push(`batch ${batch.id} answers ${ids.length} lines (${new Set(ids).size} different ones) of ${batch.customIds.length}`);
  }
  return findings;
}

async function auditWebhooks(at: Installation, accepted: Accepted, deliveries: readonly Delivery[]): Promise<string[]> {
  const ids = new Map<string, Set<string>>();
  for (const { subjectId, webhookId } of deliveries) ids.set(subjectId, (ids.get(subjectId) ?? new Set()).add(webhookId));
  const events = await at.store.sql`select 1 from webhook_event`;
  return [
    ...count("native jobs were not announced", accepted.jobs.filter((id) => !ids.has(id)).length),
    ...count("native jobs were announced under more than one webhook-id", [...ids.values()].filter((known) => known.size > 1).length),
    ...count("announcements are of no job of ours", [...ids.keys()].filter((id) => !accepted.jobs.includes(id)).length),
    ...count("announcements are not signed", deliveries.filter((delivery) => !isSigned(delivery, at.webhookSecret)).length),
    ...(events.length === accepted.jobs.length ? [] : [`${events.length} announcements stand in the outbox for ${accepted.jobs.length} jobs`]),
  ];
}
