import { quotaKey, readHeldTokens, readQuotas, readWaitingTenants, type TenantStake, wakeWaiting } from "@slowboat/store";
import type { PlanDeps } from "../planner-deps.ts";
import { limitOf, rowOf } from "./quotas.ts";

/** A look for work that waits reads all of it: it is worth it when the room has grown by this share of the quota. */
const GROWTH = 0.01;

/**
 * Makes work that waits for enqueued tokens due where there is room: a batch has ended, was proven or taken back, or the limit has grown. Run by every look
 * of every planner, so that no ending has to tell anybody. Returns how many jobs it woke.
 */
export async function wakeForRoom(deps: PlanDeps): Promise<number> {
  const { sql } = deps.store;
  const known = await readQuotas(sql);
  if (known.length === 0) return 0;
  const nowMs = deps.time.clock.job();
  const held = await readHeldTokens(sql, { nowMs });
  let woken = 0;
  for (const row of known) {
    const key = quotaKey(row);
    const holds = rowOf(held, row);
    const limit = limitOf(deps.quotas, row, { known: row, held: holds }, nowMs);
    if (limit === null) continue;
    const heldTokens = holds?.heldTokens ?? 0;
    const roomTokens = limit.tokens - heldTokens;
    const seen = deps.quotas.seenRoom.get(key);
    if (seen !== undefined && roomTokens < seen + GROWTH * limit.tokens) {
      deps.quotas.seenRoom.set(key, Math.min(seen, roomTokens));
      continue;
    }
    const isWorth = roomTokens > 0 || heldTokens === 0;
    const stakes = isWorth ? (await readWaitingTenants(sql, row)).map((tenant) => stakeOf(deps, key, tenant)) : [];
    const count = await wakeWaiting(sql, { id: row, stakes, roomTokens, empty: heldTokens === 0, nowMs });
    woken += count;
    // What was woken may not take the room after all: then the next ones are.
    if (count === 0) deps.quotas.seenRoom.set(key, roomTokens);
    else deps.quotas.seenRoom.delete(key);
  }
  if (woken > 0) deps.logger.info({ jobs: woken }, "quota-freed");
  return woken;
}

function stakeOf({ quotas }: PlanDeps, key: string, tenant: string): TenantStake {
  const turns = quotas.turnsAt(key);
  return { tenant, served: turns.served(tenant), weight: turns.weight(tenant) };
}
