import { formatUsd, nano } from "@slowboat/kernel";
import { jobClock } from "@slowboat/runtime";
import { findBatchTenant, type ReceiptFacts, readClock, readReceipt } from "@slowboat/store";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { drawReceipt, ledgerWaterfall, poolPaid } from "../nightly/receipt.ts";
import { data, look, say } from "../terminal.ts";
import { apiOf, type GlobalFlags, withStore } from "./place.ts";
import { kindOf, readSubject, refusalText, type Subject, standInOf } from "./subject.ts";

/** Shows what a job or a batch cost, line by line, out of the ledger. */
export async function receipt(config: Config, flags: GlobalFlags, id: string): Promise<ExitCode> {
  const job = kindOf(id) === "job" ? await readSubject(apiOf(config, flags), id) : null;
  const facts = job === null ? await batchFacts(config, flags, id) : jobFacts(job);
  if (facts.accounts.length === 0 && facts.unpriced === 0) {
    const subject = await readSubject(apiOf(config, flags), id);
    if (subject.refusals.length > 0) throw new Ended(EXIT.batchRefused, refusalText(subject));
  }
  if (facts.accounts.length === 0 && facts.unpriced === 0) throw new Ended(EXIT.error, `${id} has no receipt yet: nothing of it is settled.`);
  const money = ledgerWaterfall(facts.accounts);
  const pool = poolPaid(facts.accounts);
  const usd = (amount: bigint): string => formatUsd(nano(amount));
  const unknown = facts.accounts.length === 0;
  if (flags.json) {
    const lines = money.lines.map((line) => ({ account: line.account, usd: usd(line.amountNano) }));
    await data(
      JSON.stringify({
        id,
        emulated: facts.emulated,
        jobs: facts.jobs,
        deadlines_missed: facts.deadlinesMissed,
        // A sum of nothing is not 0 dollars where the price is what is missing.
        list_usd: unknown ? null : usd(money.listNano),
        lines,
        paid_usd: unknown ? null : usd(money.paidNano),
        paid_to_providers_usd: unknown ? null : usd(money.paidNano - pool),
        own_pool_imputed_usd: unknown ? null : usd(pool),
        unpriced: facts.unpriced,
      }),
    );
  } else
    await data(
      drawReceipt({ title: `Receipt of ${id}`, facts, took: null, resultFiles: [], consoleUrl: null, ...look(process.stdout, config.NO_COLOR) }),
    );
  const standIn = job === null ? null : standInOf(job.raw);
  if (standIn !== null) say(standIn);
  return EXIT.ok;
}

interface JobReceipt {
  readonly priced: boolean;
  readonly emulated: boolean;
  readonly list_nano?: string;
  readonly paid_nano?: string;
  readonly lines?: readonly { readonly account: string; readonly amount_nano: string }[];
}

/** A job's receipt comes through the API. */
function jobFacts({ raw, state }: Subject): ReceiptFacts {
  const shown = raw["receipt"] as JobReceipt | null;
  const accounts =
    shown?.priced === true
      ? [
          { account: "list", amountNano: -BigInt(shown.list_nano ?? 0) },
          ...(shown.lines ?? []).map((line) => ({ account: line.account, amountNano: BigInt(line.amount_nano) })),
          // Of a provider the receipt shows the sum alone, whichever it was.
          { account: raw["lane"] === "pool" ? "payable.pool" : "payable.openai", amountNano: BigInt(shown.paid_nano ?? 0) },
        ]
      : [];
  return {
    jobs: [{ state, lane: raw["lane"] as string | null, jobs: 1 }],
    accounts,
    deadlinesMissed: raw["deadline_met"] === false ? 1 : 0,
    withDeadline: raw["deadline"] === null || state === "cancelled" ? 0 : 1,
    suspense: { attempts: 0, amountNano: 0n },
    unpriced: shown?.priced === false ? 1 : 0,
    unsettled: 0,
    emulated: shown?.emulated === true,
    lastEndedAtMs: null,
    lastRescueAtMs: null,
  };
}

/** A batch's receipt is read from the ledger itself. */
async function batchFacts(config: Config, flags: GlobalFlags, id: string): Promise<ReceiptFacts> {
  return await withStore(config, flags, async (store) => {
    const tenantId = await findBatchTenant(store.sql, id);
    if (tenantId === null) throw new Ended(EXIT.error, `No batch found with id '${id}'.`);
    const clock = await readClock(store.sql);
    const nowMs = clock ? jobClock(clock).job() : Date.now();
    return await store.begin((tx) => readReceipt(tx, { tenantId, batchIds: [id], nowMs }));
  });
}
