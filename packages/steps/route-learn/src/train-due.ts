import type { PriceBook } from "@slowboat/pricing";
import { LEAST_LABELS } from "@slowboat/route";
import type { Clock, Logger } from "@slowboat/runtime";
import { claimTraining, delayTraining, readRouteLabels, type Store, savePolicy, type TrainableRoute } from "@slowboat/store";
import { costShares, trainInThread } from "./train-route.ts";

/** What training is done with. */
export interface TrainDeps {
  readonly store: Store;
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Machine ms for which nobody else trains an alias that somebody has begun with. */
const LEASE_MS = 10 * 60_000;
/** An alias whose candidates have no price rests so long (machine ms). */
const REST_MS = 60 * 60_000;

/** Trains aliases that have learned enough anew, one after the other, each in a thread of its own. Returns how many policies were kept. */
export async function trainDue(deps: TrainDeps, signal: AbortSignal): Promise<number> {
  let kept = 0;
  while (!signal.aborted) {
    const realMs = deps.clock.real();
    const due = await claimTraining(deps.store.sql, { least: LEAST_LABELS, realMs, untilRealMs: realMs + LEASE_MS });
    if (due === null) return kept;
    if (await train(deps, due, signal)) kept++;
  }
  return kept;
}

async function train({ store, book, clock, logger }: TrainDeps, due: TrainableRoute, signal: AbortSignal): Promise<boolean> {
  const { tenantId, alias, quality, policyVersion, fresh } = due;
  const nowMs = clock.job();
  const models = JSON.parse(due.candidates) as string[];
  const costs = costShares(book, models, nowMs);
  if ("unpriced" in costs) {
    logger.warn({ tenantId, alias, model: costs.unpriced }, "route-unpriced");
    await delayTraining(store.sql, { tenantId, alias, fromRealMs: clock.real() + REST_MS });
    return false;
  }
  const begun = performance.now();
  const labels = await readRouteLabels(store.sql, { tenantId, alias });
  const trained = await trainInThread({ labels, models, costs, alpha: 1 - quality, seed: policyVersion + 1 }, signal);
  const kept = await store.begin((tx) =>
    savePolicy(tx, { tenantId, alias, seenVersion: policyVersion, policy: trained.policy, labels: trained.labels, seenFresh: fresh, nowMs }),
  );
  // Changed or closed meanwhile: what was learned says nothing of it any more.
  if (!kept) await delayTraining(store.sql, { tenantId, alias, fromRealMs: clock.real() });
  const tookMs = Math.round(performance.now() - begun);
  logger.info({ tenantId, alias, labels: trained.labels, open: trained.open, kept, tookMs }, "route-trained");
  return kept;
}
