import { storedRoute } from "@slowboat/contract";
import type { NewPair } from "@slowboat/store";
import type { SettlementFacts } from "./outcome.ts";

/**
 * The routed jobs among those that ended now (`ended`) whose answers the dice drew to be compared: well answered, by a lane and not out of the cache, and of a tenant
 * that keeps answers.
 */
export function drawnPairs(facts: readonly SettlementFacts[], ended: ReadonlySet<string>): NewPair[] {
  return facts.flatMap(({ row, kind, ok }): NewPair[] => {
    if (kind !== "settle" || !ok || row.route === null || row.sourceAttemptId !== null || row.retentionDays === 0 || !ended.has(row.jobId)) return [];
    const route = storedRoute(row.route);
    if (route?.shadow?.drawn !== true) return [];
    return [{ jobId: row.jobId, tenantId: row.tenantId, alias: route.alias, chance: route.shadow.chance }];
  });
}
