import { type Endpoint, type LaneId, laneClass, storedModelRule } from "@slowboat/contract";
import { newId, type Rng } from "@slowboat/kernel";
import { holdNano } from "@slowboat/plan";
import { type ModelRef, type PriceBook, routeOn } from "@slowboat/pricing";
import type { Clock, Logger } from "@slowboat/runtime";
import {
  countErrands,
  ERRAND_SURFACE,
  type ErrandKind,
  insertErrands,
  insertJobs,
  type NewJob,
  readErrandTerms,
  reserveBudgets,
  type Sql,
} from "@slowboat/store";
import { ruledOut } from "./eligible.ts";
import { judgeRequest } from "./request.ts";
import type { House } from "./submit.ts";

/** Something that Slowboat asks on behalf of a tenant, at the tenant's cost. */
export interface ErrandAsk {
  readonly tenantId: string;
  /** The key of the job that it is about: what is asked counts against the same budgets. */
  readonly keyId: string;
  readonly kind: ErrandKind;
  /** The job that it is about. */
  readonly subjectId: string;
  /** JSON of whoever sends it; given back with the answer. */
  readonly content: string;
  readonly endpoint: Endpoint;
  /** The provider's request as it is sent, the model among it. */
  readonly body: string;
  /** How long it may take (job ms). */
  readonly withinMs: number;
}

/** What errands are asked with. */
export interface ErrandDeps {
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly house: Pick<House, "lanes">;
  readonly logger: Logger;
}

/** Errands of one kind that a tenant may have out: what learns must not crowd out what is asked. */
const ERRANDS_OUT_MAX = 2_000;

/**
 * Asks errands, as jobs of their own that stand in no list and announce nothing. They take the cheapest class of lanes that the model has: pool and batch,
 * else flex, else real time. What does not fit into a budget, has too many before it, or cannot be asked (an unknown model, one that the tenant rules out, a tenant that keeps
 * no answers) is left out. Returns the errands' job ids by place; `null` for one that was left out. Committed with the caller's transaction; ring the planner after it.
 */
export async function askErrands(deps: ErrandDeps, tx: Sql, asks: readonly ErrandAsk[]): Promise<(string | null)[]> {
  if (asks.length === 0) return [];
  const drafts = await draftErrands(deps, tx, asks);
  const budgeted = drafts.flatMap((draft) => (draft?.hold === undefined ? [] : [{ draft, amountNano: draft.hold }]));
  const refused = await reserveBudgets(
    tx,
    budgeted.map(({ draft, amountNano }) => ({ subjectId: draft.job.id, tenantId: draft.job.tenantId, keyId: draft.job.keyId, amountNano })),
    { nowMs: deps.clock.job(), realMs: deps.clock.real() },
  );
  const broke = new Set(budgeted.flatMap(({ draft }, at) => (refused[at] ? [draft.job.id] : [])));
  const sent = drafts.map((draft) => (draft === null || broke.has(draft.job.id) ? null : draft));
  const kept = sent.filter((draft) => draft !== null);
  await insertJobs(
    tx,
    kept.map(({ job }) => job),
  );
  await insertErrands(
    tx,
    kept.map(({ job, ask: { tenantId, kind, subjectId, content } }) => ({ jobId: job.id, tenantId, kind, subjectId, content })),
    deps.clock.job(),
  );
  if (broke.size > 0) deps.logger.info({ errands: broke.size }, "errands-over-budget");
  return sent.map((draft) => draft?.job.id ?? null);
}

interface Draft {
  readonly ask: ErrandAsk;
  readonly job: NewJob;
  /** What budgets must hold; `undefined` where none counts. */
  readonly hold: bigint | null | undefined;
}

async function draftErrands(deps: ErrandDeps, tx: Sql, asks: readonly ErrandAsk[]): Promise<(Draft | null)[]> {
  const tenantIds = [...new Set(asks.map(({ tenantId }) => tenantId))];
  const terms = await readErrandTerms(tx, tenantIds);
  const out = new Map<string, number>();
  for (const kind of new Set(asks.map((ask) => ask.kind)))
    for (const [tenantId, n] of await countErrands(tx, { tenantIds, kind })) out.set(`${tenantId} ${kind}`, n);
  return asks.map((ask) => {
    const who = terms.get(ask.tenantId);
    const place = `${ask.tenantId} ${ask.kind}`;
    const before = out.get(place) ?? 0;
    if (who === undefined || who.retentionDays === 0 || before >= ERRANDS_OUT_MAX) return null;
    const job = draftJob(deps, ask, who);
    if (job === null) return null;
    out.set(place, before + 1);
    const hold = who.budgeted ? holdNano(deps.book, job, { lanes: deps.house.lanes, interactive: false }, job.acceptedAtMs) : undefined;
    return { ask, job, hold };
  });
}

function draftJob(
  { book, clock, rng, house, logger }: ErrandDeps,
  ask: ErrandAsk,
  { allowUnpriced, models }: { readonly allowUnpriced: boolean; readonly models: string | null },
): NewJob | null {
  const { tenantId, keyId, endpoint, body } = ask;
  const nowMs = clock.job();
  const bytes = Buffer.byteLength(body);
  try {
    const value = JSON.parse(body) as Readonly<Record<string, unknown>>;
    if (ruledOut(book, storedModelRule(models), String(value["model"])) !== null) return null;
    const fallbacks = { names: [], param: "fallbacks", defaults: null, rule: null };
    const who = { tenantId, keyId, allowUnpriced, cache: { mode: "off", semantic: null }, fallbacks } as const;
    const judged = judgeRequest(book, { endpoint, value, text: body, bytes }, who);
    const lanesAllow = cheapestLanes(house.lanes, judged.model.candidates);
    if (lanesAllow.length === 0) return null;
    return {
      id: newId("job", nowMs, rng),
      tenantId,
      keyId,
      surface: ERRAND_SURFACE,
      batchId: null,
      lineNo: null,
      customId: null,
      endpoint,
      provider: judged.model.provider,
      model: judged.model.model,
      baselineModel: judged.model.baselineModel,
      state: "accepted",
      body,
      bodyBlobKey: null,
      bodyOffset: null,
      bodyBytes: bytes,
      inputTokensEst: judged.inputTokens,
      outputTokensEst: judged.outputTokens,
      deadlineAtMs: nowMs + ask.withinMs,
      lanesAllow,
      lanesDeny: null,
      maxCostNano: null,
      callbackUrl: null,
      metadata: null,
      reuseKey: null,
      prefix: judged.prefix,
      nextDecisionAtMs: nowMs,
      acceptedAtMs: nowMs,
    };
  } catch (err) {
    logger.warn({ err, tenantId, kind: ask.kind, subjectId: ask.subjectId }, "errand-not-askable");
    return null;
  }
}

/** Lanes of the cheapest class that a model has; none where no lane serves it. */
function cheapestLanes(lanes: readonly LaneId[], candidates: readonly ModelRef[]): LaneId[] {
  const serving = lanes.filter((lane) => routeOn(lane, candidates) !== null);
  for (const classes of [["pool", "batch"], ["flex"], ["realtime"]]) {
    const some = serving.filter((lane) => classes.includes(laneClass(lane)));
    if (some.length > 0) return some;
  }
  return [];
}
