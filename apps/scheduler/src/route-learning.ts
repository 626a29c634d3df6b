import type { Queue } from "@slowboat/queue";
import { learnPairs, type PairDeps, trainDue } from "@slowboat/route-learn";
import { loop, type Service } from "@slowboat/runtime";
import { forgetPairs } from "@slowboat/store";

/** Machine ms between two looks at pairs, and at aliases that may be trained. */
const PAIRS_MS = 1_000;
const TRAIN_MS = 5_000;
const FORGET_MS = 60_000;
/** How long (job ms) a pair that has ended counts in the report. */
const PAIRS_KEPT_MS = 30 * 86_400_000;
const FORGET_ROWS = 1_000;

/** What routing needs to learn by itself, beside what the scheduler has. */
export interface RouteLearning extends PairDeps {
  readonly queue: Queue;
}

/** The loops by which routing learns: pairs are asked and graded, policies trained, what is old forgotten. */
export function routeLearning({ queue, ...deps }: RouteLearning): Service[] {
  const { store, clock, logger } = deps;
  const learn = async (signal: AbortSignal): Promise<void> => {
    if ((await learnPairs(deps, signal)).stepped > 0) await queue.ring("plan", [{}]);
  };
  const train = async (signal: AbortSignal): Promise<void> => void (await trainDue(deps, signal));
  const forget = async (): Promise<void> => void (await forgetPairs(store.sql, { beforeMs: clock.job() - PAIRS_KEPT_MS, limit: FORGET_ROWS }));
  return [
    loop("route-pairs", PAIRS_MS, learn, logger),
    loop("route-train", TRAIN_MS, train, logger),
    loop("route-forget", FORGET_MS, forget, logger),
  ];
}
