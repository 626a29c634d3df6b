import { type Cusum, openCusum, watch } from "@slowboat/risk";
import { lossUnder } from "@slowboat/route";
import { addRouteLabels, closeRoute, lockRoute, readRouteLabel, type Sql, saveDrift, stepPair, type TaughtRoute } from "@slowboat/store";
import type { PairDeps } from "./deps.ts";
import type { CandidateAnswer, Pair } from "./pair.ts";
import { lostOf, type Relations, scoresOf } from "./relations.ts";
import { inOrder, LABELS_MAX, labelOf, packLabel, type StoredLabel, unpackLabel } from "./stored-label.ts";

/** A false alarm of drift comes on average after this many labels. */
const FALSE_ALARM_AFTER = 10_000;
/** A loss of this size doubles the evidence of drift. Median labels to an alarm where 0.02 is allowed, at units of 0.25, 0.5, 1: 26, 39, 59 for a loss of 0.25; 1,575, 921, 957 for one of 0.04. */
const DRIFT_UNIT = 0.5;

/** Takes in one loss of the live policy, 0 to 1, where `alpha` is the mean that is allowed. */
export const watchLoss = (drift: Cusum, loss: number, alpha: number): Cusum =>
  watch(drift, loss, { target: alpha, unit: Math.max(DRIFT_UNIT, 2 * alpha), falseAlarmAfter: FALSE_ALARM_AFTER });

/**
 * Makes a label of a pair whose relations are known. Where the dice drew it, its loss under the policy that is live goes to the watch over drift first: the policy has not
 * learned from it. On an alarm the policy and every label before this one go. Returns why not, where the alias is no more.
 */
export async function teachPair(
  deps: PairDeps,
  tx: Sql,
  pair: Pair,
  found: { readonly relations: Relations; readonly answers: ReadonlyMap<string, CandidateAnswer> },
): Promise<string | null> {
  const { row, baseline, models, seen, draw } = pair;
  const { tenantId, alias, jobId, chance, said } = row;
  const nowMs = deps.clock.job();
  const taught = await lockRoute(tx, { tenantId, alias });
  if (taught === null) return "the alias is no more";
  const scores = scoresOf(baseline, found.relations, said);
  const texts = models.flatMap((name) => {
    const text = found.answers.get(name)?.text ?? null;
    return text === null || name === baseline ? [] : [[name, text] as const];
  });
  const label = labelOf({
    ...{ prompt: seen.ask, job: draw.job, scores, answers: Object.fromEntries(texts) },
    ...(chance === null ? { weight: 1, chosen: true } : { weight: 1 / chance }),
  });
  if (chance !== null) {
    const faulty = new Set(models.filter((name) => found.answers.get(name)?.faulty));
    await watchAlias(deps, tx, { pair, label, taught, faulty });
  }
  await addRouteLabels(tx, { tenantId, alias, labels: [{ id: jobId, label: packLabel(label) }], most: LABELS_MAX, nowMs });
  const lost = lostOf(baseline, found.relations, scores);
  await stepPair(tx, { jobId, state: "labelled", relations: JSON.stringify(found.relations), lost }, nowMs);
  return null;
}

async function watchAlias(
  deps: PairDeps,
  tx: Sql,
  { pair, label, taught, faulty }: { pair: Pair; label: StoredLabel; taught: TaughtRoute; faulty: ReadonlySet<string> },
): Promise<void> {
  const { tenantId, alias } = pair.row;
  const policy = await livePolicy(deps, tx, pair, taught.policyVersion);
  const ordered = policy === null ? null : inOrder(label, policy.models);
  if (policy === null || ordered === null) return;
  const places = new Set(policy.models.flatMap((name, m) => (faulty.has(name) ? [m] : [])));
  const loss = lossUnder(policy, ordered, { mayJudge: pair.draw.judged, faulty: places });
  const before = taught.drift === null ? openCusum() : (JSON.parse(taught.drift) as Cusum);
  const drift = watchLoss(before, loss, 1 - taught.quality);
  if (!drift.alarmed) return await saveDrift(tx, { tenantId, alias, drift: JSON.stringify(drift) });
  await closeRoute(tx, { tenantId, alias, nowMs: deps.clock.job() });
  deps.routes.forget(tenantId);
  deps.logger.warn({ tenantId, alias, policyVersion: taught.policyVersion, labels: drift.seen }, "route-drifted");
}

/** The policy of a version, as the alias has it now; `null` where there is none. */
async function livePolicy(deps: PairDeps, tx: Sql, { row: { tenantId, alias } }: Pair, version: number) {
  const known = (await deps.routes.load(tenantId, tx)).get(alias);
  if (known?.policyVersion === version) return known.policy;
  deps.routes.forget(tenantId);
  return (await deps.routes.load(tenantId, tx)).get(alias)?.policy ?? null;
}

/** Takes a user's word into a label that there is already; one that was forgotten since stays forgotten. */
export async function teachSaid(deps: Pick<PairDeps, "clock">, tx: Sql, row: Pair["row"]): Promise<void> {
  const { tenantId, alias, jobId, baseline, said } = row;
  const nowMs = deps.clock.job();
  const relations = JSON.parse(row.relations ?? "{}") as Relations;
  const taught = await lockRoute(tx, { tenantId, alias });
  const bytes = taught === null ? null : await readRouteLabel(tx, { tenantId, alias, id: jobId });
  const label = bytes === null ? null : unpackLabel(bytes);
  if (baseline === null || label === null) return await stepPair(tx, { jobId, state: "labelled" }, nowMs);
  const scores = scoresOf(baseline, relations, said);
  await addRouteLabels(tx, { tenantId, alias, labels: [{ id: jobId, label: packLabel({ ...label, scores }) }], most: LABELS_MAX, nowMs });
  await stepPair(tx, { jobId, state: "labelled", lost: lostOf(baseline, relations, scores) }, nowMs);
}
