import { type LaneId, laneClass } from "@slowboat/contract";
import type { KnownRoom, LaneView, Snapshot } from "@slowboat/plan";
import { type HeldTokens, type KnownQuota, type QuotaId, quotaKey, readHeldTokens, readQuotas, readStandings, type Sql } from "@slowboat/store";
import type { PlanDeps } from "./planner-deps.ts";
import { limitOf, rowOf } from "./quota/quotas.ts";
import { readSnapshot } from "./snapshot.ts";
import type { Standing } from "./standings.ts";

/** How long (machine ms) a sight is taken for what it is. */
const KEPT_MS = 10_000;
/** A lane that the planner found away counts as away for so long (machine ms). */
const AWAY_MS = 60_000;
/** A limit that no planner has confirmed for so long (machine ms) is forgotten here as there. */
const RATES_MS = 600_000;

/**
 * The lanes as the planner sees them, for whoever quotes or promises: backlog, parked accounts, batches and enqueued-token quotas from the rows, and of the accounts' pace what the
 * planner has written down beside what this process knows itself. At most ten seconds old; one look at a time.
 */
export function openSight(deps: Pick<PlanDeps, "store" | "book" | "lanes" | "meter" | "time" | "quotas">): () => Promise<Snapshot> {
  const { clock } = deps.time;
  let known: { readonly atRealMs: number; readonly snapshot: Promise<Snapshot> } | null = null;
  return () => {
    if (known !== null && clock.real() - known.atRealMs < KEPT_MS) return known.snapshot;
    const look = { atRealMs: clock.real(), snapshot: lookAt(deps) };
    known = look;
    // A look that failed is not remembered.
    look.snapshot.catch(() => {
      if (known === look) known = null;
    });
    return look.snapshot;
  };
}

async function lookAt(deps: Parameters<typeof openSight>[0]): Promise<Snapshot> {
  const { sql } = deps.store;
  const { clock } = deps.time;
  const { snapshot } = await readSnapshot(deps, sql, clock.job());
  const told = await readStandings(sql, clock.real() - RATES_MS);
  const lanes = snapshot.lanes.map((view) => {
    const account = deps.lanes.find((lane) => lane.id === view.id)?.account;
    const row = told.find((one) => one.lane === view.id && one.account === account);
    return row === undefined ? view : asTold(view, JSON.parse(row.content) as Standing, clock.real() - row.atRealMs < AWAY_MS);
  });
  return { ...snapshot, lanes, quotas: await knownRooms(sql, deps, clock.job()) };
}

/** A lane as this process and the planner know it together: away where either finds it away, and as slow as the slower of both. */
function asTold(view: LaneView, told: Standing, isFresh: boolean): LaneView {
  const rates = new Map(view.rates);
  for (const [model, rate] of Object.entries(told.rates)) {
    const own = rates.get(model);
    const known = own ?? rate;
    rates.set(model, { ...known, perSecond: Math.min(known.perSecond, rate.perSecond), waiting: Math.max(known.waiting, rate.waiting) });
  }
  const standing = { ...view, rates, callMs: Math.max(view.callMs ?? 0, told.callMs ?? 0) };
  if (!isFresh) return standing;
  const awayModels = [...new Set([...(view.awayModels ?? []), ...(told.awayModels ?? [])])];
  const isAway = view.available && !told.available;
  return { ...standing, awayModels, ...(isAway ? { available: false, ...(told.away === undefined ? {} : { away: told.away }) } : {}) };
}

/** The enqueued-token quotas whose limit an operator or a refusal has told, with what is out and what waits. */
async function knownRooms(sql: Sql, deps: Parameters<typeof openSight>[0], nowMs: number): Promise<KnownRoom[]> {
  const known = await readQuotas(sql);
  const held = await readHeldTokens(sql, { nowMs });
  const rooms: KnownRoom[] = [];
  for (const id of quotaIds(deps, known, held)) {
    const limit = limitOf(deps.quotas, id, { known: rowOf(known, id), held: rowOf(held, id) }, nowMs);
    if (limit === null || !limit.firm) continue;
    const waiting = rowOf(known, id) === undefined ? [] : await deps.quotas.waiting.without(sql, id, []);
    const { lane, model } = id;
    rooms.push({
      lane: lane as LaneId,
      model,
      limitTokens: limit.tokens,
      heldTokens: rowOf(held, id)?.heldTokens ?? 0,
      waiting,
      configured: limit.configured,
    });
  }
  return rooms;
}

/** The quotas of the batch lanes here that anything is known of, and what is configured for all other models. */
function quotaIds(deps: Parameters<typeof openSight>[0], known: readonly KnownQuota[], held: readonly HeldTokens[]): QuotaId[] {
  const batch = deps.lanes.filter((lane) => laneClass(lane.id) === "batch");
  const here = (id: QuotaId): boolean => batch.some((lane) => lane.id === id.lane && lane.account === id.account);
  const configured = batch.flatMap(({ id, account }) => deps.quotas.models(id).map((model) => ({ lane: id, account, model })));
  const all = [...known, ...held, ...configured].filter(here);
  return [...new Map(all.map(({ lane, account, model }) => [quotaKey({ lane, account, model }), { lane, account, model }])).values()];
}
