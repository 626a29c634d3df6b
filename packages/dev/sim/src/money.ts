import type { LaneId } from "@slowboat/contract";
import { type ModelRef, quote } from "@slowboat/pricing";
import type { Audit } from "./audit.ts";
import { type JobState, workOf } from "./job.ts";
import type { SimLedger } from "./ledger.ts";
import type { WorldSpec } from "./spec.ts";

/** What is held for a job, in real-time prices: the rescue, a batch or two that came to nothing, and a dearer day. */
const RESERVE = 3n;
/** What jobs hold and cost in the virtual world, posted as the house posts it. */
interface Money {
  /** Books what a lane charged for a job's attempt. */
  charge(state: JobState, lane: LaneId, nano: bigint): void;
  /** Gives back what is left of a job's hold, once nothing of it is out. */
  release(state: JobState): void;
  /** Holds a job's dearest course; false where its tenant's budget does not reach. */
  reserve(state: JobState): boolean;
}

/** Opens the books with every tenant's budget in them; work and prices charged are summed by lane in `sums`. */
export function createMoney(
  {
    spec,
    ledger,
    audit,
    known,
    realtimeOf,
    nowMs,
  }: {
    readonly spec: WorldSpec;
    readonly ledger: SimLedger;
    readonly audit: Audit;
    readonly known: ReadonlyMap<string, readonly ModelRef[]>;
    realtimeOf(model: string): LaneId;
    nowMs(): number;
  },
  { laneWork, lanePaid }: { readonly laneWork: Map<LaneId, number>; readonly lanePaid: Map<LaneId, bigint> },
): Money {
  for (const [tenant, nano] of spec.budgets ?? [])
    ledger.post([
      [`funding:${tenant}`, -nano],
      [`budget:${tenant}`, nano],
    ]);
  const charge = (state: JobState, lane: LaneId, nano: bigint): void => {
    const { tenant } = state.job;
    state.openNano -= nano;
    state.spentNano += nano;
    audit.billed(tenant, nano);
    ledger.post([
      [`spend:${tenant}`, nano],
      ["payable", -nano],
    ]);
    lanePaid.set(lane, (lanePaid.get(lane) ?? 0n) + nano);
    laneWork.set(lane, (laneWork.get(lane) ?? 0) + workOf(state.job));
    if (state.reservedNano !== null)
      ledger.post([
        [`reserved:${tenant}`, -nano],
        [`used:${tenant}`, nano],
      ]);
  };
  const release = (state: JobState): void => {
    if (state.reservedNano === null || state.openNano > 0n) return;
    const left = state.reservedNano - state.spentNano;
    const { tenant } = state.job;
    state.reservedNano = null;
    ledger.post(
      spec.plant === "one-legged"
        ? [[`budget:${tenant}`, left]]
        : [
            [`reserved:${tenant}`, -left],
            [`budget:${tenant}`, left],
          ],
    );
  };
  const reserve = (state: JobState): boolean => {
    const { job } = state;
    const { tenant } = job;
    if (!spec.budgets?.has(tenant)) return true;
    const lane = realtimeOf(job.model);
    const dear = quote(spec.book, { candidates: known.get(job.model) ?? [], ...job }, lane, nowMs());
    const nano = dear.unpriced ? 0n : spec.plant === "overspend" ? dear.nano / 4n : dear.nano * RESERVE;
    if (ledger.balance(`budget:${tenant}`) < nano) return false;
    state.reservedNano = nano;
    ledger.post([
      [`budget:${tenant}`, -nano],
      [`reserved:${tenant}`, nano],
    ]);
    return true;
  };
  return { charge, release, reserve };
}
