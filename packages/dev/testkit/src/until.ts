import { setTimeout as pause } from "node:timers/promises";

/** Looks every 10 ms until `done` holds; throws with `what` when it has not after `timeoutMs`. For what has no event to wait for. */
export async function until(done: () => boolean | Promise<boolean>, what: string, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`never happened within ${timeoutMs} ms: ${what}`);
    await pause(10);
  }
}
