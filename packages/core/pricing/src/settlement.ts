import { type LedgerAccount, type Provider, SAVING_ACCOUNTS, type Usage, type Waterfall, type WaterfallLine } from "@slowboat/contract";
import { assert, unreachable } from "@slowboat/kernel";
import type { PriceBook, Tier } from "./book.ts";
import { baseline, price, uncached } from "./price.ts";

/** One amount of a balanced ledger transaction. */
export interface LedgerPosting {
  readonly account: LedgerAccount;
  readonly amountNano: bigint;
}

interface Paid {
  readonly provider: Provider;
  /** The exact id that was asked for on the lane, not the dated name in the answer. */
  readonly model: string;
  /** The tier that the answer says, else the lane's. */
  readonly tier: Tier;
  readonly usage: Usage;
}

/**
 * What is to be settled.
 * - `answer`: the paid answer that became the job's result
 * - `reuse`: an earlier answer given again; `usage` is the stored answer's
 * - `waste`: a paid answer that nobody needed any more (a second answer, an expired hedge)
 */
export type SettlementInput = { readonly book: PriceBook; readonly atMs: number } & (
  | ({ readonly kind: "answer"; readonly baselineModel: string } & Paid)
  | { readonly kind: "reuse"; readonly baselineModel: string; readonly usage: Usage }
  | ({ readonly kind: "waste" } & Paid)
);

/**
 * The transaction of one settlement. `priced: false` has no postings and no waterfall: the usage is kept and can be priced
 * later. `estimated` says that the list price rests on another tokenizer's counts.
 */
export type Settlement =
  | { readonly priced: true; readonly entries: readonly LedgerPosting[]; readonly waterfall: Waterfall; readonly estimated: boolean }
  | { readonly priced: false; readonly entries: readonly []; readonly waterfall: null; readonly estimated: boolean };

const payable = (provider: Provider): LedgerAccount => `payable.${provider}`;

/** Under which mechanism the step from the real-time price to the lane's price is shown. */
const laneSaving = (provider: Provider, tier: Tier): LedgerAccount => {
  if (provider === "pool") return "saving.pool";
  if (tier === "batch") return "saving.batch";
  return "saving.flex";
};

/**
 * Settles one paid or reused answer as a balanced ledger transaction whose balance is the savings waterfall. Each step is the
 * same tokens priced again: list (pinned model, real time, nothing cached) → model that ran → its lane → its cache classes =
 * paid. The steps telescope, so they sum exactly; a cache write premium can make the last one negative. A request served at
 * the priority tier is measured against the priority price, because that is what was asked for.
 */
export function settlement(input: SettlementInput): Settlement {
  switch (input.kind) {
    case "answer":
      return settleAnswer(input);
    case "reuse": {
      const list = baseline(input.book, input.baselineModel, input.usage, input.atMs);
      if (list.unpriced) return unpriced(false);
      return balanced(
        [
          ["list", -list.nano],
          ["saving.cache", list.nano],
        ],
        false,
      );
    }
    case "waste": {
      const cost = price(input.book, input, input.usage, input.atMs);
      if (cost.unpriced) return unpriced(false);
      return balanced(
        [
          [payable(input.provider), cost.nano],
          ["waste", -cost.nano],
        ],
        false,
      );
    }
    default:
      return unreachable(input);
  }
}

function settleAnswer(input: Extract<SettlementInput, { kind: "answer" }>): Settlement {
  const { book, provider, model, tier, usage, atMs } = input;
  const estimated = model !== input.baselineModel;
  const realtime: Tier = tier === "priority" ? "priority" : "standard";
  const list = baseline(book, input.baselineModel, usage, atMs, realtime);
  const plain = uncached(usage);
  // The pool's own model is part of the pool's saving; only a change of paid model is routing.
  const routed = provider === "pool" ? list : price(book, { provider, model, tier: realtime }, plain, atMs);
  const laned = price(book, { provider, model, tier }, plain, atMs);
  const paid = price(book, { provider, model, tier }, usage, atMs);
  if (list.unpriced || routed.unpriced || laned.unpriced || paid.unpriced) return unpriced(estimated);
  return balanced(
    [
      ["list", -list.nano],
      ["saving.routing", list.nano - routed.nano],
      [laneSaving(provider, tier), routed.nano - laned.nano],
      ["saving.prompt-cache", laned.nano - paid.nano],
      [payable(provider), paid.nano],
    ],
    estimated,
  );
}

const unpriced = (estimated: boolean): Settlement => ({ priced: false, entries: [], waterfall: null, estimated });

function balanced(postings: readonly (readonly [LedgerAccount, bigint])[], estimated: boolean): Settlement {
  const entries = postings.filter(([, amount]) => amount !== 0n).map(([account, amountNano]) => ({ account, amountNano }));
  assert(entries.reduce((sum, e) => sum + e.amountNano, 0n) === 0n, "a settlement balances");
  return { priced: true, entries, waterfall: waterfallOf(entries), estimated };
}

/**
 * Folds ledger entries of any number of settlements into one waterfall: list − savings + waste = paid, to the nano-dollar. The
 * receipt is this fold and nothing else, so it cannot differ from the ledger.
 */
export function waterfallOf(entries: Iterable<LedgerPosting>): Waterfall {
  const sums = new Map<LedgerAccount, bigint>();
  for (const { account, amountNano } of entries) sums.set(account, (sums.get(account) ?? 0n) + amountNano);
  let paidNano = 0n;
  const lines: WaterfallLine[] = [];
  for (const [account, amountNano] of sums) if (account.startsWith("payable.")) paidNano += amountNano;
  for (const account of SAVING_ACCOUNTS) {
    const amountNano = sums.get(account) ?? 0n;
    if (amountNano !== 0n) lines.push({ account, amountNano });
  }
  return { listNano: -(sums.get("list") ?? 0n), lines, paidNano };
}
