import type { Policy as PolicyValues } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import { byDecide } from "../desk.ts";
import { openWorld } from "../open-world.ts";
import { OURS } from "../policies.ts";
import type { Policy } from "../policy.ts";
import { inTime, runWorld } from "../world.ts";
import { type StoredArrival, toJobs } from "./read-arrivals.ts";

/** A world's bill as JSON; money as strings of nano-USD. */
export interface ReplayBill {
  readonly paid_nano_usd: string;
  readonly lanes: Readonly<Record<string, string>>;
  readonly missed: number;
}

/** What the command prints. */
export interface ReplayReport {
  readonly jobs: number;
  /** Arrivals that the simulator has no lane or no price for. */
  readonly skipped: number;
  readonly present: ReplayBill;
  readonly other: ReplayBill;
  /** What the other policy saves of the present one's bill; negative where it costs more. */
  readonly saving_nano_usd: string;
}

/** The house's policy with other numbers. */
const withValues = (name: string, values: PolicyValues): Policy => ({
  ...OURS,
  name,
  values,
  choose: (job, snapshot, nowMs) => byDecide(job, snapshot, nowMs),
});

/** Lives through stored arrivals twice under the same luck: once as the house decides, once under another policy. Deterministic by seed. */
export function replayArrivals(
  arrivals: readonly StoredArrival[],
  world: { readonly book: PriceBook; readonly seed: number; readonly values: PolicyValues },
): ReplayReport {
  const { jobs, skipped } = toJobs(world.book, arrivals);
  // An installation's own limits are not stored.
  const spec = openWorld({ seed: world.seed, book: world.book, jobs });
  const live = (policy: Policy): { readonly bill: ReplayBill; readonly paid: bigint } => {
    const { states, paidNano, lanePaid } = runWorld(spec, policy, { unchecked: true });
    const lanes = Object.fromEntries([...lanePaid].sort().map(([lane, nano]) => [lane, String(nano)]));
    return { paid: paidNano, bill: { paid_nano_usd: String(paidNano), lanes, missed: states.filter((state) => !inTime(state)).length } };
  };
  const present = live(OURS);
  const other = live(withValues("other", world.values));
  return { jobs: jobs.length, skipped, present: present.bill, other: other.bill, saving_nano_usd: String(present.paid - other.paid) };
}
