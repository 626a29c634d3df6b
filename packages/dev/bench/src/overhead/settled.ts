import { setTimeout as pause } from "node:timers/promises";
import type { Ground } from "../stack/ground.ts";

const POLL_MS = 25;
const PATIENCE_MS = 60_000;

/**
 * Waits until `total` calls of the bench are settled and says how long that took (ms). Throws when Postgres holds anything but one completed
 * job, one settled attempt, one result and one balanced ledger transaction with entries a call.
 */
export async function untilSettled(ground: Ground, total: number): Promise<number> {
  const started = performance.now();
  for (;;) {
    const [open] = await ground.store.sql<{ open: number }[]>`
      select (select count(*)::int from attempt where state in ('sending', 'answered')) + (select count(*)::int from call_log) as open`;
    if (open?.open === 0) break;
    if (performance.now() - started > PATIENCE_MS) throw new Error(`${open?.open} calls were not settled in time`);
    await pause(POLL_MS);
  }
  const lagMs = performance.now() - started;
  const [row] = await ground.store.sql`
    select (select count(*)::int from job where state = 'completed') as completed, (select count(*)::int from job) as jobs,
      (select count(*)::int from attempt where state = 'settled' and source_attempt_id is null) as settled,
      (select count(*)::int from attempt) as attempts, (select count(*)::int from result) as results,
      (select count(*)::int from ledger_txn where priced) as txns,
      (select count(distinct txn_id)::int from ledger_entry) as posted,
      (select count(*)::int from (select 1 from ledger_entry group by txn_id having sum(amount_nano) <> 0) x) as unbalanced`;
  const wanted = { completed: total, jobs: total, settled: total, attempts: total, results: total, txns: total, posted: total, unbalanced: 0 };
  if (JSON.stringify({ ...row }) !== JSON.stringify(wanted)) {
    throw new Error(`Postgres holds ${JSON.stringify(row)} where ${JSON.stringify(wanted)} was due`);
  }
  return lagMs;
}
