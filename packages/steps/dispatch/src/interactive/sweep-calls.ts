import type { Clock } from "@slowboat/runtime";
import { endLostCalls, type Store } from "@slowboat/store";

/** No call lives so long: the lanes' longest time limit, a stream's last wait for its usage and the commit are well within (machine ms). */
const CALL_LIFE_MS = 20 * 60_000;
/** What is filed as it should be is filed sooner (machine ms). */
const LOGGED_MS = 60_000;
const ROWS = 200;

/** Ends calls whose process died in the middle; returns how many. */
export async function sweepLostCalls(store: Store, clock: Clock): Promise<number> {
  const nowMs = clock.job();
  return await store.begin((tx) =>
    endLostCalls(tx, { sentBeforeMs: nowMs - CALL_LIFE_MS * clock.scale, loggedBeforeMs: nowMs - LOGGED_MS * clock.scale, nowMs, limit: ROWS }),
  );
}
