import { type Endpoint, laneProvider, totalInput, type Usage } from "@slowboat/contract";
import { CALM, drawPlan, slotDice } from "@slowboat/emulator";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { inTime, OURS, openWorld, runWorld, type SimJob } from "@slowboat/sim";
import type { Store } from "@slowboat/store";

/** What a world paid, in nano-USD, and what it missed. */
export interface Bill {
  readonly lanes: ReadonlyMap<string, bigint>;
  readonly paidNano: bigint;
  readonly missed: number;
}

/** How the live run was set up. */
export interface LiveWorld {
  readonly seed: number;
  readonly scale: number;
  readonly tickMs: number;
  /** Batches that reach a provider within the same so many job ms find the same queue. */
  readonly luckSlotMs: number;
  readonly flexRefusals: number;
}

/** What the ledger says was paid for the jobs of the run, second answers and lost ones included. */
export async function liveBill(store: Store): Promise<Bill> {
  const rows = await store.sql<{ lane: string; nano: bigint }[]>`
    select t.lane, coalesce(sum(e.amount_nano), 0)::int8 as nano from ledger_txn t join ledger_entry e on e.txn_id = t.id
    where e.account like 'payable.%' group by t.lane`;
  const [late] = await store.sql<{ n: number }[]>`
    select count(*)::int as n from job where state <> 'completed' or ended_at_ms > deadline_at_ms`;
  return {
    lanes: new Map(rows.map(({ lane, nano }) => [lane, nano])),
    paidNano: rows.reduce((sum, { nano }) => sum + nano, 0n),
    missed: late?.n ?? 0,
  };
}

interface AnsweredJob {
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number;
  readonly usage: string;
}

/** The simulator's bill for the same arrivals, deadlines, tokens, prices and luck: the provider's queue is drawn from the emulator's own dice. */
export async function twinBill(store: Store, live: LiveWorld): Promise<Bill> {
  const rows = await store.sql<AnsweredJob[]>`
    select j.model, j.endpoint, j.accepted_at_ms as "acceptedAtMs", j.deadline_at_ms as "deadlineAtMs", a.usage
    from job j join result r on r.job_id = j.id join attempt a on a.id = r.attempt_id where a.usage is not null order by j.accepted_at_ms, j.id`;
  const jobs = rows.map(({ model, endpoint, acceptedAtMs, deadlineAtMs, usage }, no): SimJob => {
    const used = JSON.parse(usage) as Usage;
    const slackMs = deadlineAtMs - acceptedAtMs;
    return {
      no,
      tenant: "live",
      model,
      endpoint,
      arrivedAtMs: acceptedAtMs,
      deadlineAtMs,
      inputTokens: totalInput(used),
      outputTokens: used.output,
      deny: null,
      slackMs,
    };
  });
  const outcome = runWorld(
    {
      // The emulator's limits are of a high tier, which no load of this size comes near.
      ...openWorld({ seed: live.seed, book: loadPriceBook(STANDARD_PRICES), jobs }),
      flexRefusals: live.flexRefusals,
      pace: { tickMs: live.tickMs, scale: live.scale },
      turnaround: (lane, atMs, lines) => {
        const provider = laneProvider(lane) === "anthropic" ? "anthropic" : "openai";
        const plan = drawPlan(slotDice(live.seed, provider, atMs, live.luckSlotMs), lines, CALM, "prior", null);
        return { tookMs: plan.finishMs === null ? Number.POSITIVE_INFINITY : plan.finishMs + plan.finalizeMs, part: plan.doneShare };
      },
    },
    OURS,
  );
  const [broken] = outcome.violations;
  if (broken !== undefined) throw new Error(`the simulated world broke ${broken.invariant}: ${broken.why}`);
  return { lanes: outcome.lanePaid, paidNano: outcome.paidNano, missed: outcome.states.filter((state) => !inTime(state)).length };
}
