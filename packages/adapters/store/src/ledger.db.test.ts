import { type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LedgerPosting, postLedger } from "./index.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.drop());

const posting = (id: string, ...amounts: readonly [string, bigint][]): LedgerPosting => ({
  id: `settle:att_${id}`,
  kind: "settle",
  tenantId: "ten_1",
  jobId: "job_1",
  attemptId: `att_${id}`,
  lane: "openai",
  model: "m",
  pricesVersion: "v1",
  digest: JSON.stringify(amounts, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
  emulated: true,
  priced: true,
  entries: amounts.map(([account, amountNano]) => ({ account, amountNano })),
});
const post = (...postings: readonly LedgerPosting[]): Promise<number> => database.store.begin((tx) => postLedger(tx, postings, 1000));
const sums = async (): Promise<{ txns: number; entries: number; sum: bigint }> => {
  const [row] = await database.store.sql<{ txns: number; entries: number; sum: bigint }[]>`
    select (select count(*)::int from ledger_txn) as txns, count(*)::int as entries, coalesce(sum(amount_nano), 0)::int8 as sum from ledger_entry`;
  return row as { txns: number; entries: number; sum: bigint };
};

test("a transaction whose entries do not sum to zero is refused whole, and takes its neighbours with it", async () => {
  const good = posting("a", ["list", -10n], ["payable.openai", 10n]);
  await expect(post(good, posting("b", ["list", -10n], ["payable.openai", 9n]))).rejects.toThrow("ledger transaction settle:att_b does not balance");
  expect(await sums()).toEqual({ txns: 0, entries: 0, sum: 0n });
});

test("two transactions that balance only together are refused", async () => {
  await expect(post(posting("a", ["list", -10n], ["waste", 9n]), posting("b", ["list", -9n], ["waste", 10n]))).rejects.toThrow("does not balance");
});

test("amounts past 2^53 are kept to the last digit", async () => {
  const large = 9_007_199_254_740_993n;
  await post(posting("a", ["list", -large], ["payable.openai", large]));
  const [row] = await database.store.sql<{ amount_nano: bigint }[]>`select amount_nano from ledger_entry where account = 'payable.openai'`;
  expect(row?.amount_nano).toBe(large);
});

test("no entry and no transaction can be changed, deleted or truncated", async () => {
  await post(posting("a", ["list", -10n], ["payable.openai", 10n]));
  const { sql } = database.store;
  const tries = [
    () => sql`update ledger_entry set amount_nano = 11 where account = 'list'`,
    () => sql`delete from ledger_entry`,
    () => sql`truncate ledger_entry`,
    () => sql`update ledger_txn set tenant_id = 'ten_2'`,
    () => sql`delete from ledger_txn`,
    () => sql`truncate ledger_txn`,
  ];
  for (const attempt of tries) await expect(attempt()).rejects.toThrow("the ledger is append-only");
  expect(await sums()).toEqual({ txns: 1, entries: 2, sum: 0n });
});

test("an entry cannot be added to a transaction that balances", async () => {
  await post(posting("a", ["list", -10n], ["payable.openai", 10n]));
  await expect(database.store.sql`insert into ledger_entry (txn_id, account, amount_nano) values ('settle:att_a', 'waste', 1)`).rejects.toThrow(
    "does not balance",
  );
});

test("a transaction posted twice counts once, and one with other amounts under its id is refused", async () => {
  const one = posting("a", ["list", -10n], ["payable.openai", 10n]);
  expect([await post(one), await post(one)]).toEqual([1, 0]);
  await expect(post(posting("a", ["list", -20n], ["payable.openai", 20n]))).rejects.toThrow("posted before with other amounts");
  expect(await sums()).toEqual({ txns: 1, entries: 2, sum: 0n });
});

test("an attempt is settled at most once, whatever the id", async () => {
  await post(posting("a", ["list", -10n], ["payable.openai", 10n]));
  await expect(post({ ...posting("b", ["list", -10n], ["payable.openai", 10n]), attemptId: "att_a" })).rejects.toThrow("ledger_txn_once");
});

test("an entry of nothing is refused", async () => {
  await expect(post(posting("a", ["list", -10n], ["payable.openai", 10n], ["waste", 0n]))).rejects.toThrow("amount_nano");
});
