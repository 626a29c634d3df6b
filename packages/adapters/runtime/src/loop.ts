import type { Service } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";

/**
 * A service that runs `tick` again and again with `everyMs` of machine time between the end of one and the start of the next. An error is
 * logged and the loop goes on: a sweep that fails once must not end all sweeping.
 */
export function loop(name: string, everyMs: number, tick: (signal: AbortSignal) => Promise<void>, logger: Logger): Service {
  const abort = new AbortController();
  let running: Promise<void> | null = null;
  const run = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      try {
        await tick(abort.signal);
      } catch (err) {
        if (!abort.signal.aborted) logger.error({ err, loop: name }, "loop-failed");
      }
      await pause(everyMs, abort.signal);
    }
  };
  return {
    start: async () => {
      running ??= run();
    },
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
