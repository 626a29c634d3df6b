import { learnQuota } from "@slowboat/plan";
import { type DispatchRow, lockQuotas, readHeldTokens, readQuotas, readTokensBefore, saveQuota } from "@slowboat/store";
import type { LaneDeps } from "../deps.ts";
import { learnedLimit, rowOf } from "./quotas.ts";

/** First pause (job ms) of lines that would be sent again just as they were refused; it doubles with each attempt. */
const FULL_MS = 900_000;
const FULL_MS_MAX = 6 * 3_600_000;

/**
 * Learns from a batch that was refused for want of room, and says how long each of its lines pauses, by its attempts: not at all, since the planner
 * knows now what fits, unless that is the same batch once more, or a single line that nothing stood beside.
 */
export async function learnFromRefusal(deps: LaneDeps, dispatch: DispatchRow, toldTokens: number | null): Promise<(seq: number) => number> {
  const nowMs = deps.time.clock.job();
  const { lane, account, model } = dispatch;
  const id = { lane, account, model };
  const { quota, othersTokens } = await deps.store.begin(async (tx) => {
    await lockQuotas(tx, [id]);
    const known = rowOf(await readQuotas(tx), id);
    const others = rowOf(await readHeldTokens(tx, { nowMs, butDispatch: dispatch.id }), id)?.sentTokens ?? 0;
    const before =
      known?.limitTokens == null || known.learnedAtMs === null
        ? null
        : { limitTokens: known.limitTokens, toldTokens: known.toldTokens, learnedAtMs: known.learnedAtMs };
    const learned = learnQuota(before, { toldTokens, othersTokens: others, batchTokens: dispatch.inputTokens }, nowMs);
    await saveQuota(tx, { ...id, ...learned });
    return { quota: learned, othersTokens: others };
  });
  deps.logger.warn({ dispatchId: dispatch.id, lane, model, ...quota, othersTokens, batchTokens: dispatch.inputTokens }, "quota-learned");
  const again = quota.limitTokens >= othersTokens + dispatch.inputTokens || (othersTokens === 0 && dispatch.jobs === 1);
  return (seq) => (again ? Math.min(FULL_MS_MAX, FULL_MS * 2 ** Math.min(10, seq - 1)) : 0);
}

/** Whether a batch that was planned before the quota was learned still fits it; one that is alone is sent in any case. */
export async function hasRoom(deps: LaneDeps, dispatch: DispatchRow, tokens: number): Promise<boolean> {
  const nowMs = deps.time.clock.job();
  const { id, lane, account, model } = dispatch;
  const limit = learnedLimit(rowOf(await readQuotas(deps.store.sql), dispatch), nowMs);
  if (limit === null) return true;
  const before = await readTokensBefore(deps.store.sql, { id, lane, account, model, nowMs });
  return before === 0 || before + tokens <= limit;
}
