import { type LaneId, laneClass, storedFallbacks } from "@slowboat/contract";
import { dueAtMs, fitQuota, type LaneRoom, type QuotaLine, type QuotaTurn, type QuotaView, quotaLookMs, quotaTurns, roomKey } from "@slowboat/plan";
import { type ModelRef, resolveModel, routeOn } from "@slowboat/pricing";
import {
  type DueJob,
  type HeldTokens,
  type KnownQuota,
  lockQuotas,
  noteProven,
  noteQuotas,
  type QuotaId,
  quotaKey,
  type ReplannedJob,
  readHeldTokens,
  readQuotas,
  type Sql,
} from "@slowboat/store";
import type { Placement } from "../place.ts";
import type { PlanDeps } from "../planner-deps.ts";
import { type Limit, limitOf, rowOf } from "./quotas.ts";

/** The enqueued-token quotas that one look's jobs may run into. */
export interface QuotaBoard {
  /** Where the job would have to wait, for the decision. */
  roomsOf(job: DueJob): ReadonlyMap<string, LaneRoom>;
  /** Lines that wait for the same room as the job: they would be rescued with it. */
  waitingLines(job: DueJob): number;
  /** The limit of a placement's quota, where it is known; packs are cut to it. */
  limitFor(placement: Placement): number | null;
  /** These go: their tenants are charged for what of them counts against a quota. */
  charge(placements: readonly Placement[]): void;
  /** What goes now, within the quotas, and what waits, with the reason; who waits is written down, so that later looks find it. */
  fit(placements: readonly Placement[]): Promise<{ readonly ready: Placement[]; readonly held: ReplannedJob[] }>;
}

/** From here on it is worth remembering what an account takes. */
const PROVEN_TOKENS = 1_000_000;

interface Column {
  readonly id: QuotaId;
  readonly limit: Limit;
  readonly view: QuotaView;
  readonly waitingLines: number;
  readonly turns: ReadonlyMap<string, QuotaTurn>;
}

/**
 * Reads the quotas that these jobs may run into: their limits, what our live batches hold, what waits already. A firm quota stays locked until the
 * transaction ends, so that two planners never give the same room away.
 */
export async function openBoard(tx: Sql, deps: PlanDeps, jobs: readonly DueJob[], nowMs: number): Promise<QuotaBoard> {
  const wanted = new Map<string, { id: QuotaId; asking: Set<DueJob>; all: Set<DueJob> }>();
  for (const job of jobs) {
    for (const { id, asked } of quotasOf(deps, job)) {
      const known = wanted.get(quotaKey(id)) ?? { id, asking: new Set(), all: new Set() };
      wanted.set(quotaKey(id), known);
      known.all.add(job);
      // Who may come only in another model's stead takes no place in the queue until it does.
      if (asked) known.asking.add(job);
    }
  }
  const columns = new Map<string, Column>();
  const known = wanted.size === 0 ? [] : await readQuotas(tx);
  const firm = [...wanted.values()]
    .map(({ id }) => id)
    .filter((id) => limitOf(deps.quotas, id, { known: rowOf(known, id), held: undefined }, nowMs)?.firm);
  await lockQuotas(tx, firm);
  const held = wanted.size === 0 ? [] : await readHeldTokens(tx, { nowMs });
  // One order for all planners, since each keeps what it writes locked.
  for (const [key, { id, asking, all }] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const holds = rowOf(held, id);
    const limit = limitOf(deps.quotas, id, { known: rowOf(known, id), held: holds }, nowMs);
    if (limit === null) continue;
    if (!limit.firm && holds && isNewlyProven(holds, known)) await noteProven(tx, holds);
    const waiting = rowOf(known, id) === undefined ? [] : await deps.quotas.waiting.without(tx, id, all);
    const shares = deps.quotas.turnsAt(key);
    shares.present([...waiting.map((row) => row.tenant), ...[...asking].map((job) => job.tenantId)]);
    const view = { limitTokens: limit.tokens, heldTokens: holds?.heldTokens ?? 0, waiting, shares };
    const waitingLines = waiting.reduce((sum, row) => sum + row.lines, 0);
    columns.set(key, { id, limit, view, waitingLines, turns: quotaTurns(view, [...asking].filter((job) => !isTooLarge(job, limit)).map(toLine)) });
  }
  return boardOf(tx, deps, columns, nowMs);
}

/** Written down in steps of a tenth, where more is out than any account may have at first. */
const isNewlyProven = (held: HeldTokens, known: readonly KnownQuota[]): boolean =>
  held.provenTokens >= PROVEN_TOKENS && held.provenTokens > 1.1 * (rowOf(known, held)?.provenTokens ?? 0);

/** Whether one line alone is more than the operator lets be enqueued: it never goes there, and stands in nobody's way. */
const isTooLarge = (job: DueJob, limit: Limit): boolean => limit.configured !== null && job.inputTokensEst > limit.configured;

function boardOf(tx: Sql, deps: PlanDeps, columns: ReadonlyMap<string, Column>, nowMs: number): QuotaBoard {
  const columnsOf = (job: DueJob): Column[] => quotasOf(deps, job).flatMap(({ id, asked }) => (asked ? (columns.get(quotaKey(id)) ?? []) : []));
  const closedTo = (job: DueJob): Column[] =>
    quotasOf(deps, job)
      .flatMap(({ id }) => columns.get(quotaKey(id)) ?? [])
      .filter(({ limit }) => isTooLarge(job, limit));
  const columnFor = ({ decision }: Placement): Column | undefined => {
    const offer = deps.lanes.find((lane) => lane.id === decision.lane);
    return offer && columns.get(quotaKey({ lane: offer.id, account: offer.account, model: decision.model }));
  };
  return {
    roomsOf: (job) =>
      new Map([
        ...columnsOf(job).flatMap((column): [string, LaneRoom][] => {
          const turn = column.turns.get(job.id);
          if (turn === undefined || turn.waitMs === 0) return [];
          return [[roomKey(column.id.lane as LaneId, column.id.model), { waitMs: turn.waitMs, why: whyOf(column, job, turn) }]];
        }),
        ...closedTo(job).map((column): [string, LaneRoom] => [
          roomKey(column.id.lane as LaneId, column.id.model),
          { waitMs: Number.POSITIVE_INFINITY, why: tooLarge(column, job) },
        ]),
      ]),
    waitingLines: (job) => Math.max(0, ...columnsOf(job).map((column) => column.waitingLines)),
    limitFor: (placement) => {
      const limit = columnFor(placement)?.limit;
      return limit?.firm ? limit.tokens : null;
    },
    charge: (placements) => {
      for (const placement of placements) {
        const column = columnFor(placement);
        if (column !== undefined) deps.quotas.turnsAt(quotaKey(column.id)).charge(placement.job.tenantId, placement.job.inputTokensEst);
      }
    },
    fit: async (placements) => {
      const groups = Map.groupBy(placements, columnFor);
      const ready: Placement[] = [];
      const held: ReplannedJob[] = [];
      const ids: QuotaId[] = [];
      for (const [column, group] of groups) {
        if (column === undefined) {
          ready.push(...group);
          continue;
        }
        const lines = group.map((placement) => ({ ...toLine(placement.job), placement }));
        const { go, wait } = fitQuota(column.view, lines);
        const quotaTokens = column.limit.firm ? { quotaTokens: column.limit.tokens } : {};
        ready.push(...go.map(({ placement }) => ({ ...placement, ...quotaTokens })));
        const turns = quotaTurns(column.view, lines);
        if (wait.length > 0) ids.push(column.id);
        for (const { placement } of wait) {
          held.push(heldFor(column, placement, turns.get(placement.job.id) as QuotaTurn, nowMs));
          deps.quotas.waiting.putBack(column.id, placement.job);
        }
      }
      await noteQuotas(tx, ids);
      return { ready, held };
    },
  };
}

/** The quotas of a job's batch lanes: for the model that it asks for, and for those that may answer in its stead. */
function quotasOf(deps: PlanDeps, job: DueJob): { readonly id: QuotaId; readonly asked: boolean }[] {
  const allowed = deps.lanes.filter(
    ({ id }) => laneClass(id) === "batch" && !job.lanesDeny?.includes(id) && (job.lanesAllow === null || job.lanesAllow.includes(id)),
  );
  const asked = { model: job.model, provider: job.provider };
  return [asked, ...storedFallbacks(job.fallbacks)].flatMap((name) => {
    const candidates = resolveModel(deps.book, name.model)?.candidates ?? [{ provider: name.provider as ModelRef["provider"], model: name.model }];
    return allowed.flatMap(({ id, account }) => {
      const model = routeOn(id, candidates)?.model;
      return model === undefined ? [] : [{ id: { lane: id, account, model }, asked: name === asked }];
    });
  });
}

const toLine = (job: DueJob): QuotaLine => ({ id: job.id, tokens: job.inputTokensEst, dueAtMs: dueAtMs(job), tenant: job.tenantId });

const count = (tokens: number): string => Math.round(tokens).toLocaleString("en-US");

const tooLarge = ({ id, limit }: Pick<Column, "id" | "limit">, job: DueJob): string =>
  `its ${count(job.inputTokensEst)} tokens are more than the ${count(limit.tokens)} that may be enqueued for ${id.model}`;

function whyOf({ id, limit, view }: Column, job: DueJob, turn: QuotaTurn): string {
  if (job.inputTokensEst > limit.tokens) return tooLarge({ id, limit }, job);
  const most = limit.firm ? "that may be enqueued" : "with which the account is tried until it has taken them";
  const before = turn.aheadTokens === 0 ? "" : `, and ${count(turn.aheadTokens)} go before it`;
  return `waits for room: ${count(view.heldTokens)} of the ${count(limit.tokens)} tokens ${most} for ${id.model} are out${before}`;
}

/** A job that waits for room: it is due when that comes, and by itself a little later, at its latest start at the latest. */
function heldFor(column: Column, { job, decision }: Placement, turn: QuotaTurn, nowMs: number): ReplannedJob {
  const lookAtMs = Math.min(decision.latestStartAtMs ?? Number.POSITIVE_INFINITY, nowMs + quotaLookMs(turn.waitMs));
  const why = whyOf(column, job, turn);
  const reason = decision.reason.includes(why) ? decision.reason : `${decision.reason}; ${why}`;
  return { jobId: job.id, atMs: Math.max(nowMs + 1, lookAtMs), heldFor: quotaKey(column.id), waitReason: `${decision.lane}: ${reason}` };
}
