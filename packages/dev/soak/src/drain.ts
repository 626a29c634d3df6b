import { setTimeout as pause } from "node:timers/promises";
import type { Store } from "@slowboat/store";

const LOOK_MS = 500;

/** What has not ended, by kind and state; empty when everything has. Batches that the provider denies are looked for as long as it keeps answers: they wait for nothing. */
async function unfinished(store: Store): Promise<{ readonly what: string; readonly count: number }[]> {
  return await store.sql<{ what: string; count: number }[]>`
    select 'job ' || state as what, count(*)::int as count from job where state in ('accepted', 'placed') group by 1
    union all select 'batch ' || state, count(*)::int from batch where state not in ('completed', 'failed', 'cancelled') group by 1
    union all select 'webhook ' || state, count(*)::int from webhook_event where state = 'pending' group by 1
    union all select 'attempt ' || lane || ' ' || state, count(*)::int from attempt where state in ('intent', 'sending', 'placed', 'answered') group by 1
    union all select 'logged calls', count(*)::int from call_log having count(*) > 0
    union all select 'dispatch ' || lane || ' ' || state, count(*)::int from dispatch
      where state in ('queued', 'running', 'submitted') and provider_status is distinct from 'lost' group by 1`;
}

/** Waits until all has ended, telling how much is left; gives back what has not when nothing has changed for `stillMs`. */
export async function drain(store: Store, stillMs: number, told: (left: number) => void): Promise<string[]> {
  let before = "";
  let since = performance.now();
  for (;;) {
    const left = await unfinished(store);
    told(left.filter(({ what }) => what.startsWith("job ")).reduce((sum, { count }) => sum + count, 0));
    if (left.length === 0) return [];
    const now = left.map(({ what, count }) => `${count} ${what}`);
    if (now.join() !== before) since = performance.now();
    before = now.join();
    if (performance.now() - since > stillMs) return now;
    await pause(LOOK_MS);
  }
}
