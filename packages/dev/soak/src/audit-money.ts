import type { Store } from "@slowboat/store";
import { type Charge, fetchBill } from "./bill.ts";

/** The provider's bill against the ledger. Money in nano-USD. */
export interface MoneyAudit {
  /** Attempts whose ledger transaction equals their one line of the bill. */
  readonly matched: number;
  /** Attempts and lines that do not: another amount, a line too many or too few, a line of nobody. */
  readonly mismatched: number;
  /** Second entries: of an attempt, or settlements of a job. */
  readonly doubled: number;
  readonly ledger: bigint;
  readonly invoice: bigint;
  /** Of the bill, what belongs to attempts that nobody heard of. */
  readonly suspense: bigint;
  readonly suspenseLines: number;
  /** Attempts held in suspense, billed or not. */
  readonly suspended: number;
  /** Lines of batches whose create reply was lost and that were never found again. */
  readonly orphanLines: number;
  readonly waste: bigint;
  readonly findings: readonly string[];
}

interface Attempt {
  readonly id: string;
  readonly state: string;
  readonly lane: string;
  readonly code: string | null;
  readonly status: number | null;
  /** What the ledger owes for it; `null` without a transaction. */
  readonly owed: bigint | null;
}

const SHOWN = 5;

/** Reads both sides over connections of its own. */
export async function auditMoney(store: Store, providerUrl: string): Promise<MoneyAudit> {
  const bill = await fetchBill(providerUrl);
  const attempts = await store.sql<Attempt[]>`
    select a.id, a.state, a.lane, a.error_code as code, a.status_code as status, p.owed
    from attempt a left join (select t.attempt_id, coalesce(sum(e.amount_nano) filter (where e.account like 'payable.%'), 0)::int8 as owed
      from ledger_txn t left join ledger_entry e on e.txn_id = t.id group by t.attempt_id) p on p.attempt_id = a.id
    where a.lane not in ('pool', 'cache')`;
  const refs = await store.sql<{ ref: string }[]>`select provider_ref as ref from dispatch where provider_ref is not null`;
  const [sums] = await store.sql<{ ledger: bigint; waste: bigint }[]>`
    select coalesce(sum(amount_nano) filter (where account like 'payable.%' and account <> 'payable.pool'), 0)::int8 as ledger,
      coalesce(-sum(amount_nano) filter (where account = 'waste'), 0)::int8 as waste from ledger_entry`;
  const findings: string[] = [];
  const compared = compare(bill.lines, attempts, findings);
  const known = new Set(refs.map(({ ref }) => ref));
  return {
    ...compared,
    doubled: await secondEntries(store, findings),
    ledger: sums?.ledger ?? 0n,
    waste: sums?.waste ?? 0n,
    invoice: BigInt(bill.totalNanoUsd),
    suspended: attempts.filter(({ state }) => state === "unknown").length,
    orphanLines: bill.lines.filter(({ batchId }) => batchId !== null && !known.has(batchId)).length,
    findings,
  };
}

type Compared = Pick<MoneyAudit, "matched" | "mismatched" | "suspense" | "suspenseLines">;

function compare(lines: readonly Charge[], attempts: readonly Attempt[], findings: string[]): Compared {
  const byAttempt = Map.groupBy(lines, (line) => line.customId ?? line.clientRequestId ?? "");
  const billed = new Map([...byAttempt].map(([id, own]) => [id, own.map((line) => BigInt(line.nanoUsd))]));
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n);
  const total = { matched: 0, mismatched: 0, suspense: 0n, suspenseLines: 0 };
  const wrong = new Map<string, string[]>();
  const mismatch = (what: string, attempt: Attempt | { readonly id: string }): void => {
    total.mismatched++;
    const lane = "lane" in attempt ? ` on ${attempt.lane}, ${attempt.state} ${attempt.code ?? ""} ${attempt.status ?? ""}` : "";
    const owed = "owed" in attempt ? `, owes ${attempt.owed}` : "";
    wrong.set(what, [...(wrong.get(what) ?? []), `${attempt.id}${lane}${owed}, billed ${billed.get(attempt.id)?.join("+") ?? "nothing"}`]);
  };
  const seen = new Set<string>();
  for (const attempt of attempts) {
    seen.add(attempt.id);
    const amounts = billed.get(attempt.id) ?? [];
    const heard = attempt.state === "settled" && attempt.status !== null && attempt.status < 300;
    if (amounts.length > 1) mismatch("billed more than once", attempt);
    else if (heard && amounts.length === 0) mismatch("settled and not on the bill", attempt);
    else if (heard && attempt.owed !== sum(amounts)) mismatch("booked with another amount", attempt);
    else if (heard) total.matched++;
    else if (attempt.owed !== null) mismatch("booked without an answer", attempt);
    else if (amounts.length > 0 && attempt.state !== "unknown") mismatch("billed and not held in suspense", attempt);
    if (attempt.state !== "unknown" || attempt.owed !== null) continue;
    total.suspense += sum(amounts);
    total.suspenseLines += amounts.length;
  }
  for (const id of billed.keys()) if (!seen.has(id)) mismatch("billed to nobody", { id });
  for (const [what, ids] of wrong) findings.push(`${ids.length} attempts are ${what}: ${ids.slice(0, SHOWN).join("; ")}`);
  return total;
}

async function secondEntries(store: Store, findings: string[]): Promise<number> {
  const { sql } = store;
  const attempts = await sql<
    { id: string }[]
  >`select attempt_id as id from ledger_txn where kind in ('settle', 'waste') group by attempt_id having count(*) > 1`;
  const jobs = await sql<{ id: string; n: number }[]>`
    select job_id as id, count(*)::int as n from ledger_txn where kind = 'settle' group by job_id having count(*) > 1`;
  const unbalanced = await sql<{ id: string }[]>`select txn_id as id from ledger_entry group by txn_id having sum(amount_nano) <> 0`;
  const unpriced = await sql<{ id: string }[]>`select id from ledger_txn where not priced`;
  const told = (rows: readonly { readonly id: string }[], what: string): number => {
    if (rows.length > 0)
      findings.push(
        `${rows.length} ${what}: ${rows
          .slice(0, SHOWN)
          .map(({ id }) => id)
          .join(", ")}`,
      );
    return rows.length;
  };
  told(unbalanced, "ledger transactions do not balance");
  told(unpriced, "ledger transactions have no price");
  return told(attempts, "attempts have a second ledger transaction") + told(jobs, "jobs have a second settlement");
}
