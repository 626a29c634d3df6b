import { clearSuspense, reconcile } from "@slowboat/ledger";
import type { Store } from "@slowboat/store";
import { type Charge, fetchBill } from "./bill.ts";

/** What the books come to when an operator has held them against the bill. Money in nano-USD. */
export interface Cleared {
  readonly ledger: bigint;
  readonly cleared: number;
  /** Attempts whose batch is still looked for: the bill may not end them. */
  readonly sought: number;
  readonly findings: readonly string[];
}

const EVIDENCE = "the bill of the soak's provider";

/** Clears what is in suspense by the provider's bill, as `slowboat reconcile --apply` does, and sees whether ledger and bill are then one to the nano-dollar. */
export async function clearByBill(store: Store, providerUrl: string): Promise<Cleared> {
  const { lines, totalNanoUsd } = await fetchBill(providerUrl);
  const idOf = (line: Charge): string => line.customId ?? line.clientRequestId ?? "";
  const bill = new Map([...Map.groupBy(lines, idOf)].map(([id, own]) => [id, own.map((line) => BigInt(line.nanoUsd))]));
  const found = await reconcile(store.sql, bill, { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER });
  const findings = found.differences.map(
    ({ attemptId, why, bookedNano, billedNano }) => `${attemptId} is ${why}: ${bookedNano} against ${billedNano}`,
  );
  for (const id of found.strangers) findings.push(`${id} is billed to nobody`);
  const charged = found.charged.map((one) => ({ ...one, outcome: "charged" as const, evidence: EVIDENCE }));
  const free = found.notCharged.map((attempt) => ({ attempt, outcome: "not-charged" as const, amountNano: 0n, evidence: EVIDENCE }));
  const cleared = await store.begin((tx) => clearSuspense(tx, [...charged, ...free], { nowMs: 0, realMs: 0 }));
  const [sum] = await store.sql<{ ledger: bigint; left: number }[]>`
    select (select coalesce(sum(amount_nano), 0)::int8 from ledger_entry where account like 'payable.%' and account <> 'payable.pool') as ledger,
      (select count(*)::int from attempt where suspended_tenant is not null) as left`;
  const ledger = sum?.ledger ?? 0n;
  if (sum?.left !== found.sought) findings.push(`${sum?.left} attempts are in suspense after the bill, ${found.sought} may be`);
  if (found.sought === 0 && ledger !== BigInt(totalNanoUsd))
    findings.push(`cleared by the bill the ledger is ${ledger} nano-USD, the bill ${totalNanoUsd}`);
  return { ledger, cleared: cleared.length, sought: found.sought, findings };
}
