import type { BudgetPeriod } from "@slowboat/contract";
import { assert } from "@slowboat/kernel";

/** One period of a budget: its name in the books, and when the next one begins (job ms); `null` for never. */
export interface PeriodSpan {
  readonly key: string;
  readonly endsAtMs: number | null;
}

/** The period of a budget in which the instant `nowMs` lies. */
export function periodOf(period: BudgetPeriod, nowMs: number): PeriodSpan {
  if (period === "total") return { key: "total", endsAtMs: null };
  const at = new Date(nowMs);
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  const iso = at.toISOString();
  return period === "day"
    ? { key: iso.slice(0, 10), endsAtMs: Date.UTC(year, month, day + 1) }
    : { key: iso.slice(0, 7), endsAtMs: Date.UTC(year, month + 1, 1) };
}

/** What a budget's period comes to so far: the last entry of its chain, or nothing yet. */
export interface BudgetTop {
  readonly seq: bigint;
  readonly heldNano: bigint;
  readonly spentNano: bigint;
}

/** A budget in its period, as one look finds it. */
export interface BudgetView {
  readonly id: string;
  readonly period: string;
  readonly amountNano: bigint;
  /** True refuses what does not fit; false only counts, and alerts. */
  readonly hard: boolean;
  /** The share of the amount that is worth an alert; `null` for none. */
  readonly alertAt: number | null;
  readonly top: BudgetTop;
}

/** An entry of a budget's chain, with what is held and spent after it. */
export interface BudgetEntry {
  readonly budgetId: string;
  readonly period: string;
  readonly seq: bigint;
  /** `reserve`: held for what was accepted · `move`: from a batch to its line · `extend`: for another attempt · `settle`: paid · `release`: given back. */
  readonly kind: "reserve" | "move" | "extend" | "settle" | "release";
  readonly subjectId: string;
  readonly attemptId: string | null;
  readonly heldNano: bigint;
  readonly spentNano: bigint;
  readonly heldAfterNano: bigint;
  readonly spentAfterNano: bigint;
}

/** What would be held for a job or a batch. */
export interface HoldAsk {
  readonly subjectId: string;
  /** The rescue price; `null` where it has no price, which no hard budget can hold. */
  readonly amountNano: bigint | null;
  /** The budgets that it counts against. */
  readonly budgetIds: readonly string[];
}

/** Why something is not held: the budget without room, and what is left of it. */
export interface HoldRefusal {
  readonly budgetId: string;
  readonly leftNano: bigint;
  readonly unpriced: boolean;
}

type Move = Pick<BudgetEntry, "kind" | "subjectId" | "heldNano"> & { readonly attemptId?: string; readonly spentNano?: bigint };

/** A budget's chain, gone on with in memory under the budget's lock. */
export interface BudgetChain {
  readonly view: BudgetView;
  top(): BudgetTop;
  add(move: Move): void;
  readonly entries: readonly BudgetEntry[];
}

/** Goes on with a chain from its last entry; what is held and spent never falls below nothing. */
export function budgetChain(view: BudgetView): BudgetChain {
  const entries: BudgetEntry[] = [];
  let top = view.top;
  return {
    view,
    entries,
    top: () => top,
    add: ({ kind, subjectId, heldNano, spentNano = 0n, attemptId = null as never }) => {
      top = { seq: top.seq + 1n, heldNano: top.heldNano + heldNano, spentNano: top.spentNano + spentNano };
      assert(top.heldNano >= 0n && spentNano >= 0n, "a budget holds and spends no less than nothing");
      const { id: budgetId, period } = view;
      entries.push({
        ...{ budgetId, period, seq: top.seq, kind, subjectId, attemptId, heldNano, spentNano },
        heldAfterNano: top.heldNano,
        spentAfterNano: top.spentNano,
      });
    },
  };
}

/** What is left of a budget; below zero where more was paid than held for. */
export const leftOf = ({ amountNano }: BudgetView, top: BudgetTop): bigint => amountNano - top.heldNano - top.spentNano;

/**
 * Holds what fits, in the order in which it is asked: each whole in every budget that it counts against, or not at all. Reserved and spent never exceed
 * a hard budget by this. Returns a refusal an ask, or `null`.
 */
export function holdAll(chains: ReadonlyMap<string, BudgetChain>, asks: readonly HoldAsk[]): (HoldRefusal | null)[] {
  return asks.map(({ subjectId, amountNano, budgetIds }) => {
    const mine = budgetIds.flatMap((id) => chains.get(id) ?? []);
    for (const { view, top } of mine) {
      if (!view.hard) continue;
      const leftNano = leftOf(view, top());
      if (amountNano === null || amountNano > leftNano) return { budgetId: view.id, leftNano, unpriced: amountNano === null };
    }
    for (const chain of mine) chain.add({ kind: "reserve", subjectId, heldNano: amountNano ?? 0n });
    return null;
  });
}

/** What another attempt of a job needs of one budget. */
export interface ExtendAsk {
  readonly subjectId: string;
  readonly heldNano: bigint;
  /** What one attempt may come to: what was held for the first. */
  readonly attemptNano: bigint;
  /** Attempts that may still be charged, the new one left out. */
  readonly mayBeCharged: number;
}

/**
 * Holds for another attempt of one job in every budget that holds for it, or in none: after it, each attempt that may be charged and the new one have as much as was
 * held for the first. Returns the budget without room, or `null`. Where enough is held already nothing is added.
 */
export function extendAll(
  asks: readonly { readonly chain: BudgetChain; readonly ask: ExtendAsk }[],
): Pick<HoldRefusal, "budgetId" | "leftNano"> | null {
  const short = asks.flatMap(({ chain, ask }) => {
    const more = ask.attemptNano * BigInt(ask.mayBeCharged + 1) - ask.heldNano;
    return more > 0n ? [{ chain, subjectId: ask.subjectId, more }] : [];
  });
  for (const { chain, more } of short) {
    const leftNano = leftOf(chain.view, chain.top());
    if (chain.view.hard && more > leftNano) return { budgetId: chain.view.id, leftNano };
  }
  for (const { chain, subjectId, more } of short) chain.add({ kind: "extend", subjectId, heldNano: more });
  return null;
}

/** What became of something that is held for. */
export interface HoldFacts {
  readonly subjectId: string;
  /** True when nothing more is begun for it. */
  readonly ended: boolean;
  /** What may still be charged for what is out or in suspense; `null` where that has no price, so that all stays held. */
  readonly outstandingNano: bigint | null;
  /** What was paid, an attempt each, that the books do not have yet. */
  readonly paid: readonly { readonly attemptId: string; readonly nano: bigint }[];
}

/**
 * Posts what was paid and gives back what is no longer needed: all of it once the subject has ended, but for what is still out or in suspense. Paid beyond
 * the hold is spent all the same. Returns what stays held. Run twice it posts nothing more, since what was paid is passed once.
 */
export function settleHold(chain: BudgetChain, heldNano: bigint, facts: HoldFacts): bigint {
  let held = heldNano;
  const { subjectId, paid } = facts;
  const keep = facts.ended ? min(held - min(held, sum(paid)), facts.outstandingNano ?? held) : held;
  for (const [at, { attemptId, nano }] of paid.entries()) {
    // The last payment gives back the rest as well: one entry in place of two.
    const to = at === paid.length - 1 && facts.ended ? min(held, keep) : held - min(held, nano);
    chain.add({ kind: "settle", subjectId, attemptId, heldNano: to - held, spentNano: nano });
    held = to;
  }
  if (facts.ended && held > keep) {
    chain.add({ kind: "release", subjectId, heldNano: keep - held });
    held = keep;
  }
  return held;
}

/** True when the chain has just reached the share of its amount that is worth an alert. */
export function reachedAlert({ view, top }: BudgetChain): boolean {
  if (view.alertAt === null) return false;
  const shareNano = (view.amountNano * BigInt(Math.round(view.alertAt * 1_000_000))) / 1_000_000n;
  const now = top();
  return now.heldNano + now.spentNano >= shareNano;
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const sum = (paid: HoldFacts["paid"]): bigint => paid.reduce((total, { nano }) => total + nano, 0n);
