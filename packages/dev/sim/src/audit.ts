import type { LaneId } from "@slowboat/contract";
import { isOver, type JobState } from "./job.ts";
import type { SimLedger } from "./ledger.ts";
import { type WorldSpec, within } from "./spec.ts";

/** What must hold after every event, each with a planted bug that breaks it. */
export const INVARIANTS = [
  "no-job-lost",
  "one-outcome",
  "within-budget",
  "fair-share",
  "never-denied",
  "ledger-balanced",
  "no-late-decision",
  "never-away",
  "within-limits",
  "all-booked",
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Violation {
  readonly invariant: Invariant;
  readonly at: number;
  readonly why: string;
}

/** The names of some tenants. */
export type Tenants = Pick<ReadonlyMap<string, unknown>, "size" | "keys">;

/** The world's conscience: it keeps books of its own and is told what happens, never what was meant. */
export interface Audit {
  arrived(state: JobState): void;
  placed(state: JobState, lane: LaneId, latestStartAtMs: number | null): void;
  /** The planner looked at the job again. */
  looked(state: JobState): void;
  outcome(state: JobState, kind: "answered" | "failed" | "refused"): void;
  /** A provider charged for something. */
  billed(tenant: string, nano: bigint): void;
  sent(lane: LaneId, lines: number, inputTokens: number, enqueued: number): void;
  /** A tenant's first call came into line, beside those of others. */
  waits(lane: LaneId, tenant: string, beside: Tenants): void;
  /** A lane under a rate limit began a call; `waiting` are the tenants with calls in line. */
  served(lane: LaneId, tenant: string, work: number, urgent: boolean, waiting: Tenants): void;
  /** After every event. */
  check(): void;
  /** When nothing is planned any more. */
  end(states: readonly JobState[]): void;
  readonly violations: readonly Violation[];
}

/** The limits of a provider batch that no packing may exceed: half a million tokens' worth where the account allows two million. */
const BATCH_LINES = 50_000;

export function createAudit(spec: WorldSpec, ledger: SimLedger, nowMs: () => number): Audit {
  const violations: Violation[] = [];
  const found = new Set<Invariant>();
  const outcomes = new Map<number, string>();
  const due = new Map<number, number>();
  const spent = new Map<string, bigint>();
  let bill = 0n;
  let firstDueMs = Number.POSITIVE_INFINITY;
  let touched: JobState | null = null;
  const tallies = new Map<LaneId, Fairness>();
  const fair = (lane: LaneId): Fairness => {
    const tally = tallies.get(lane) ?? fairness();
    tallies.set(lane, tally);
    return tally;
  };
  const fail = (invariant: Invariant, why: string): void => {
    if (found.has(invariant)) return;
    found.add(invariant);
    violations.push({ invariant, at: nowMs(), why });
  };
  return {
    violations,
    arrived(state) {
      touched = state;
    },
    placed(state, lane, latestStartAtMs) {
      touched = state;
      if (state.job.deny?.includes(lane)) fail("never-denied", `job ${state.job.no} on ${lane}`);
      if (
        within(
          spec.away.filter((span) => span.lane === lane),
          nowMs(),
        )
      )
        fail("never-away", `job ${state.job.no} on ${lane}`);
      if (lane === "pool" && within(spec.poolDown, nowMs())) fail("never-away", `job ${state.job.no} on the pool`);
      if (latestStartAtMs === null) return void due.delete(state.job.no);
      if (latestStartAtMs <= nowMs()) fail("no-late-decision", `job ${state.job.no} was placed after its latest start`);
      due.set(state.job.no, latestStartAtMs);
      firstDueMs = Math.min(firstDueMs, latestStartAtMs);
    },
    looked: (state) => void due.delete(state.job.no),
    outcome(state, kind) {
      const before = outcomes.get(state.job.no);
      if (before !== undefined) fail("one-outcome", `job ${state.job.no} was ${before}, then ${kind}`);
      outcomes.set(state.job.no, kind);
      due.delete(state.job.no);
    },
    billed(tenant, nano) {
      bill += nano;
      const sum = (spent.get(tenant) ?? 0n) + nano;
      spent.set(tenant, sum);
      const budget = spec.budgets?.get(tenant);
      if (budget !== undefined && sum > budget) fail("within-budget", `${tenant} spent ${sum} of ${budget}`);
    },
    sent(lane, lines, inputTokens, enqueued) {
      if (lines > BATCH_LINES || inputTokens > spec.enqueuedTokens || enqueued > spec.enqueuedTokens)
        fail("within-limits", `a batch of ${lines} lines and ${inputTokens} tokens on ${lane}, ${enqueued} enqueued`);
    },
    waits: (lane, tenant, beside) => fair(lane).wake(tenant, beside),
    served(lane, tenant, work, urgent, waiting) {
      const behind = fair(lane).serve(tenant, work, urgent, waiting);
      if (behind !== null) fail("fair-share", behind);
    },
    check() {
      if (ledger.total() !== 0n) fail("ledger-balanced", `the accounts sum to ${ledger.total()}`);
      if (-ledger.balance("payable") !== bill) fail("all-booked", `billed ${bill}, booked ${-ledger.balance("payable")}`);
      if (touched !== null && touched.place === "new") fail("no-job-lost", `job ${touched.job.no} is nowhere`);
      touched = null;
      if (nowMs() <= firstDueMs) return;
      firstDueMs = Number.POSITIVE_INFINITY;
      for (const [no, atMs] of due) {
        if (atMs < nowMs()) fail("no-late-decision", `job ${no} was not looked at by its latest start`);
        else firstDueMs = Math.min(firstDueMs, atMs);
      }
    },
    end(states) {
      for (const state of states)
        if (!isOver(state) || !outcomes.has(state.job.no)) fail("no-job-lost", `job ${state.job.no} has no outcome: ${state.place}`);
    },
  };
}

interface Fairness {
  wake(tenant: string, beside: Tenants): void;
  serve(tenant: string, work: number, urgent: boolean, waiting: Tenants): string | null;
}

/** A tally of its own of what each tenant was served: nobody is served in turn who is ahead of another that waits by over twice the largest job. */
function fairness(): Fairness {
  const served = new Map<string, number>();
  let largest = 0;
  let last = 0;
  const of = (tenant: string): number => served.get(tenant) ?? 0;
  const least = (tenants: Tenants): number => Math.min(...[...tenants.keys()].map(of));
  return {
    // Whoever waits anew starts level with the least served of those that wait, or with who was served last where none does, unless it has had more already.
    wake: (tenant, beside) => void served.set(tenant, Math.max(of(tenant), beside.size > 0 ? least(beside) : last)),
    serve(tenant, work, urgent, waiting) {
      largest = Math.max(largest, work);
      const ahead = waiting.size === 0 ? 0 : of(tenant) - least(waiting);
      last = of(tenant) + work;
      served.set(tenant, last);
      return !urgent && ahead > 2 * largest ? `${tenant} is ${Math.round(ahead)} ahead of another that waits` : null;
    },
  };
}
