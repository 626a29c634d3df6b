import { setTimeout as pause } from "node:timers/promises";
import type { Installation } from "./installation.ts";
import type { Part } from "./processes.ts";

const LOOK_MS = 5;
const PATIENCE_MS = 4000;

/** Attempts of this part's kind that are in its hands right now: the worst moment to kill it. */
const BUSY: Record<Exclude<Part, "intake-api">, (at: Installation) => Promise<readonly unknown[]>> = {
  scheduler: ({ store }) => store.sql`select 1 from attempt where state = 'sending' and lane <> 'pool' limit 1`,
  "gpu-worker": ({ store }) => store.sql`select 1 from attempt where state = 'sending' and lane = 'pool' limit 1`,
  "results-service": ({ store }) => store.sql`(select 1 from attempt where state = 'answered' limit 1) union all (select 1 from call_log limit 1)`,
  emulator: ({ store }) => store.sql`select 1 from attempt where state = 'sending' and lane <> 'pool' limit 1`,
  postgres: ({ store }) => store.sql`select 1 from attempt where state = 'sending' limit 1`,
};

/** Resolves when the part is in the middle of something, true, or when it did not come to that for a while, false. */
export async function midWork(at: Installation, part: keyof typeof BUSY): Promise<boolean> {
  for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await pause(LOOK_MS))
    if ((await BUSY[part](at)).length > 0) return true;
  return false;
}
