import { chosenOf, type Decision } from "@slowboat/contract";
import { decide, type PlanJob, type Policy, type Snapshot } from "@slowboat/plan";
import { addShadow, type Sql, type TenantTally } from "@slowboat/store";

/** A second policy that watches: every decision is taken under it as well, counted, and never acted on. */
export interface Shadow {
  /** Takes the decision again with the same inputs, and counts it for the tenant. */
  look(tenantId: string, asked: { readonly job: PlanJob; readonly snapshot: Snapshot; readonly nowMs: number }, live: Decision): void;
  /** Adds what was counted since the last time to the tallies; a few rows a tenant and look. */
  write(tx: Sql, nowMs: number): Promise<void>;
}

/** Machine ms that one look of the planner spends on it at most; what is decided after that is not counted. */
const BUDGET_MS = 50;
/** What stands for a job that the shadow policy would not have placed. */
const NOWHERE = "none";

/** `text` names the policy in the tallies: its values as they were written. */
export function createShadow(policy: Policy, text: string, clockMs: () => number = () => performance.now()): Shadow {
  let counts = new Map<string, { -readonly [Member in keyof TenantTally]: TenantTally[Member] }>();
  let spentMs = 0;
  const expected = (decision: Decision): bigint => BigInt(chosenOf(decision)?.expectedNano ?? chosenOf(decision)?.priceNano ?? 0);
  return {
    look(tenantId, { job, snapshot, nowMs }, live) {
      if (spentMs >= BUDGET_MS) return;
      const startedMs = clockMs();
      const verdict = decide(job, { ...snapshot, policy }, nowMs);
      const shadowLane = verdict.kind === "place" ? verdict.decision.lane : NOWHERE;
      const key = `${tenantId} ${live.lane} ${shadowLane}`;
      const row = counts.get(key) ?? { tenantId, lane: live.lane, shadowLane, decisions: 0, expectedNano: 0n, shadowExpectedNano: 0n };
      counts.set(key, row);
      row.decisions++;
      row.expectedNano += expected(live);
      row.shadowExpectedNano += verdict.kind === "place" ? expected(verdict.decision) : 0n;
      spentMs += clockMs() - startedMs;
    },
    async write(tx, nowMs) {
      const tallies = [...counts.values()];
      counts = new Map();
      spentMs = 0;
      await addShadow(tx, { policy: text, nowMs, tallies });
    },
  };
}
