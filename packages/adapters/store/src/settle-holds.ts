import { JOB_LIVE } from "@slowboat/job";
import { type BudgetChain, type HoldFacts, settleHold } from "@slowboat/pricing";
import { type BudgetAt, closeChains, lockBudgets, openChains } from "./budget-entries.ts";
import type { Sql } from "./connect.ts";

/** What was paid for an attempt. One whose answer has no price is not among them: what is held for its job stays held. */
export interface PaidAttempt {
  readonly jobId: string;
  readonly attemptId: string;
  readonly nano: bigint;
}

/** What is held for something in one budget. */
interface Held {
  readonly subjectId: string;
  readonly budgetId: string;
  readonly period: string;
  readonly heldNano: bigint;
  /** What was held at first: what one attempt may come to. */
  readonly attemptNano: bigint;
  /** Attempts that the books have. */
  readonly settled: readonly string[];
}

/** How the subject of a hold stands, beside its payments. */
interface Standing {
  readonly ended: boolean;
  /** Attempts that may still be charged; `null` where one of them, or what was paid, has no price, so that all stays held. */
  readonly outstanding: number | null;
}

/** States of attempts that a provider may still charge, or that wait to be settled. */
export const MAY_BE_CHARGED: readonly string[] = ["intent", "sending", "placed", "answered", "unknown"];

/** Machine ms until what an ended job has in suspense is looked at again. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Posts to the budgets what attempts were paid, and gives back what ended work no longer needs; what is out or in suspense stays held. In the transaction that
 * settles, after its writes; run twice it changes nothing, since an attempt stands in a budget's books once. Jobs that no budget holds for cost one look.
 */
export async function settleHolds(
  tx: Sql,
  input: { readonly subjects: readonly string[]; readonly paid: readonly PaidAttempt[] },
  at: BudgetAt,
): Promise<void> {
  const subjects = [...new Set([...input.subjects, ...input.paid.map((row) => row.jobId)])];
  if (subjects.length === 0) return;
  const ids = await tx<{ id: string }[]>`select distinct budget_id as id from budget_entry where subject_id = any(${subjects}::text[])`;
  if (ids.length === 0) return;
  // First the marks, then the budgets, as the sweep takes them: two that settle and release the same never wait for each other.
  await tx`select from budget_open where subject_id = any(${subjects}::text[]) order by subject_id for update`;
  const budgets = await lockBudgets(tx, ids.map(({ id }) => id).sort());
  // All that follows is read under the lock: what another transaction has settled meanwhile is seen.
  const held = await readHeld(tx, subjects);
  const standings = await readStandings(tx, subjects);
  const wanted = new Map(held.map((row) => [`${row.budgetId} ${row.period}`, row]));
  const opened = await openChains(
    tx,
    [...wanted.values()].flatMap(({ budgetId, period }) => budgets.filter(({ id }) => id === budgetId).map((budget) => ({ budget, period }))),
  );
  const chains = new Map(opened.map((chain) => [`${chain.view.id} ${chain.view.period}`, chain]));
  const left = new Map<string, bigint>();
  for (const row of held) {
    const chain = chains.get(`${row.budgetId} ${row.period}`) as BudgetChain;
    const stays = settleHold(chain, row.heldNano, factsOf(row, standings.get(row.subjectId), input.paid));
    left.set(row.subjectId, (left.get(row.subjectId) ?? 0n) + stays);
  }
  await closeChains(tx, opened, budgets, at);
  const ended = [...left].filter(([id]) => standings.get(id)?.ended ?? true);
  await closeOpen(tx, {
    done: ended.flatMap(([id, nano]) => (nano === 0n ? [id] : [])),
    suspended: ended.flatMap(([id, nano]) => (nano === 0n ? [] : [id])),
    lookRealMs: at.realMs + LOOK_AGAIN_MS,
  });
}

/**
 * Gives back what is held for work that has ended without a settlement: cancelled, refused, lost. Takes at most `limit`, passing over what another
 * does; returns how many it looked at.
 */
export async function releaseEnded(tx: Sql, input: { readonly limit: number }, at: BudgetAt): Promise<number> {
  const due = await tx<{ id: string }[]>`
    select subject_id as id from budget_open where look_real_ms is not null and look_real_ms <= ${at.realMs}::float8
    order by look_real_ms limit ${input.limit} for update skip locked`;
  await settleHolds(tx, { subjects: due.map(({ id }) => id), paid: [] }, at);
  return due.length;
}

const readHeld = (tx: Sql, subjects: readonly string[]): Promise<Held[]> => tx<Held[]>`
  select subject_id as "subjectId", budget_id as "budgetId", period, sum(held_nano)::int8 as "heldNano",
    coalesce(sum(held_nano) filter (where kind in ('reserve', 'move') and held_nano >= 0), 0)::int8 as "attemptNano",
    coalesce(array_agg(attempt_id) filter (where attempt_id is not null), '{}') as settled
  from budget_entry where subject_id = any(${subjects as string[]}::text[]) group by 1, 2, 3 order by 1, 2, 3`;

/** Whether jobs and batches have ended, and what may still be charged for their attempts: out, answered and not settled, or in suspense. */
async function readStandings(tx: Sql, subjects: readonly string[]): Promise<Map<string, Standing>> {
  const charged = MAY_BE_CHARGED as string[];
  const jobs = await tx<{ id: string; ended: boolean; outstanding: number; unpriced: boolean }[]>`
    select j.id, not j.state = any(${JOB_LIVE as string[]}::text[]) as ended,
      count(*) filter (where a.source_attempt_id is null and a.state = any(${charged}::text[]))::int as outstanding,
      coalesce(bool_or(a.estimate_nano is null and a.state = any(${charged}::text[])), false)
        or exists (select 1 from ledger_txn t where t.job_id = j.id and not t.priced) as unpriced
    from job j left join attempt a on a.job_id = j.id where j.id = any(${subjects as string[]}::text[]) group by j.id`;
  const batches = await tx<{ id: string; ended: boolean }[]>`
    select id, state <> 'validating' as ended from batch where id = any(${subjects as string[]}::text[])`;
  return new Map([
    ...jobs.map(({ id, ended, outstanding, unpriced }): [string, Standing] => [id, { ended, outstanding: unpriced ? null : outstanding }]),
    ...batches.map(({ id, ended }): [string, Standing] => [id, { ended, outstanding: 0 }]),
  ]);
}

function factsOf(row: Held, standing: Standing | undefined, all: readonly PaidAttempt[]): HoldFacts {
  const mine = all.filter(({ jobId, attemptId }) => jobId === row.subjectId && !row.settled.includes(attemptId));
  // What retention has taken long ago needs nothing any more.
  const { ended, outstanding } = standing ?? { ended: true, outstanding: 0 };
  return {
    subjectId: row.subjectId,
    ended,
    // An estimate may lie below what comes: each attempt keeps as much as was held for the first.
    outstandingNano: outstanding === null ? null : row.attemptNano * BigInt(outstanding),
    paid: mine,
  };
}

async function closeOpen(
  tx: Sql,
  { done, suspended, lookRealMs }: { readonly done: readonly string[]; readonly suspended: readonly string[]; readonly lookRealMs: number },
): Promise<void> {
  if (done.length > 0) await tx`delete from budget_open where subject_id = any(${done as string[]}::text[])`;
  if (suspended.length > 0)
    await tx`update budget_open set look_real_ms = ${lookRealMs}::float8 where subject_id = any(${suspended as string[]}::text[])`;
}
