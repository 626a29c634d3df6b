import { type Fault, fault, formatUsd, nano } from "@slowboat/kernel";
import { type AdmissionClass, type Demand, judgePromise, type PromiseAsk, type Promised, type PromiseVerdict, promisedOf } from "@slowboat/plan";
import { insertPromises, lockPromises, readPromise, readPromised, type Sql } from "@slowboat/store";

/**
 * Judges what asks to be promised, in turn, each beside what is promised already and what those before it were given. Holds the book's lock until the
 * transaction ends, so that no two processes give the same capacity away. A refusal comes as the fault that says so; `null` needs nothing of the book, or is
 * of work (`again`) that has its promise.
 */
export async function withPromises(tx: Sql, asks: readonly (PromiseAsk | null)[], nowMs: number, again?: string): Promise<(Demand | null | Fault)[]> {
  await lockPromises(tx);
  if (again !== undefined && (await readPromise(tx, again)) !== null) return asks.map(() => null);
  const book: Promised[] = [...(await readPromised(tx, nowMs))];
  return asks.map((ask) => {
    if (ask === null) return null;
    const verdict = judgePromise(ask, book, nowMs);
    if (verdict.kind !== "promised") return refusalOf(verdict, ask, nowMs);
    if (verdict.demand !== null) book.push(promisedOf(verdict.demand));
    return verdict.demand;
  });
}

/** Writes promises down, in the transaction that judged them. */
export async function keepPromises(
  tx: Sql,
  made: readonly { readonly subjectId: string; readonly class: AdmissionClass; readonly demand: Demand }[],
): Promise<void> {
  await insertPromises(
    tx,
    made.map(({ subjectId, class: given, demand }) => ({ subjectId, class: given, ...demand })),
  );
}

/** A refusal with the way out: the earliest deadline, and the bound on the cost with which it would be given. */
function refusalOf(verdict: Exclude<PromiseVerdict, { kind: "promised" }>, ask: PromiseAsk, nowMs: number): Fault {
  if (verdict.kind === "refuse") {
    const { code, message, earliestFeasibleAtMs } = verdict.verdict;
    const extra = earliestFeasibleAtMs === null ? {} : { extra: { earliest_feasible_deadline: new Date(earliestFeasibleAtMs).toISOString() } };
    return fault(code, { message, ...extra });
  }
  const { earliestAtMs, boundNano, feasible, why } = verdict;
  const price = boundNano === null ? null : formatUsd(nano(boundNano));
  const when = earliestAtMs === null ? null : new Date(earliestAtMs).toISOString();
  const own = earliestAtMs !== null && earliestAtMs === ask.job.deadlineAtMs;
  const way =
    when === null
      ? "no deadline within 30 days would do"
      : own
        ? `with max_cost_usd of at least ${price} it would be`
        : `the earliest deadline with which it would be is ${when}${price === null ? "" : `, at a cost of at most ${price} USD a request`}`;
  return fault("admission-infeasible", {
    param: own ? "max_cost_usd" : "deadline",
    message: `This cannot be ${ask.class.replace("_", " ")} now (${why}); ${way}. It can be ${feasible.replace("_", " ")}.`,
    extra: {
      earliest_feasible_deadline: when,
      cheapest_feasible_price_usd: price,
      cheapest_feasible_price_nano: boundNano?.toString() ?? null,
      feasible_admission: feasible,
      asked_at: new Date(nowMs).toISOString(),
    },
  });
}
