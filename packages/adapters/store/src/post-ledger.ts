import { assert } from "@slowboat/kernel";
import type { Sql } from "./connect.ts";

/** One balanced transaction: its entries sum to zero. `digest` is equal where the entries are. */
export interface LedgerPosting {
  readonly id: string;
  readonly kind: "settle" | "waste" | "adjust";
  readonly tenantId: string;
  readonly jobId: string;
  readonly attemptId: string;
  readonly lane: string;
  readonly model: string;
  readonly pricesVersion: string;
  readonly digest: string;
  readonly emulated: boolean;
  /** False when the model had no price: the transaction then has no entries and shows as unpriced. */
  readonly priced: boolean;
  readonly entries: readonly { readonly account: string; readonly amountNano: bigint }[];
}

/**
 * Posts transactions once each. A repeated id with the same digest changes nothing; with another digest it is a bug and throws.
 * All entries go in one statement, whose trigger checks every balance. Returns how many were new. `fresh`: see `isNotFresh`.
 */
export async function postLedger(tx: Sql, postings: readonly LedgerPosting[], atMs: number, fresh = false): Promise<number> {
  if (postings.length === 0) return 0;
  const made = await tx<{ id: string }[]>`
    insert into ledger_txn (id, kind, tenant_id, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced, at_ms)
    select id, kind, tenant_id, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced, ${atMs}::float8
    from unnest(${postings.map((x) => x.id)}::text[], ${postings.map((x) => x.kind)}::text[], ${postings.map((x) => x.tenantId)}::text[],
      ${postings.map((x) => x.jobId)}::text[], ${postings.map((x) => x.attemptId)}::text[], ${postings.map((x) => x.lane)}::text[],
      ${postings.map((x) => x.model)}::text[], ${postings.map((x) => x.pricesVersion)}::text[], ${postings.map((x) => x.digest)}::text[],
      ${postings.map((x) => String(x.emulated))}::text[]::boolean[], ${postings.map((x) => String(x.priced))}::text[]::boolean[])
      as t (id, kind, tenant_id, job_id, attempt_id, lane, model, prices_version, digest, emulated, priced)
    ${fresh ? tx`` : tx`on conflict (id) do nothing returning id`}`;
  const there = new Set(made.map((row) => row.id));
  const posted = fresh ? postings : postings.filter(({ id }) => there.has(id));
  if (posted.length < postings.length)
    await refuseOtherAmounts(
      tx,
      postings.filter(({ id }) => !there.has(id)),
    );
  const entries = posted.flatMap((p) => p.entries.map((entry) => ({ txnId: p.id, ...entry })));
  if (entries.length > 0) {
    await tx`
      insert into ledger_entry (txn_id, account, amount_nano)
      select * from unnest(${entries.map((x) => x.txnId)}::text[], ${entries.map((x) => x.account)}::text[], ${entries.map((x) => x.amountNano.toString())}::int8[])`;
  }
  return posted.length;
}

async function refuseOtherAmounts(tx: Sql, repeated: readonly LedgerPosting[]): Promise<void> {
  const known = await tx<{ id: string; digest: string }[]>`select id, digest from ledger_txn where id = any(${repeated.map((x) => x.id)}::text[])`;
  const digests = new Map(known.map((row) => [row.id, row.digest]));
  for (const posting of repeated)
    assert(digests.get(posting.id) === posting.digest, `ledger transaction ${posting.id} was posted before with other amounts`);
}
