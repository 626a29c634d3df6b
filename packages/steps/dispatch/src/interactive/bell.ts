/**
 * Rings a bell soon: `soonMs` after the first who asks, and never again before `apartMs` have passed since the last ring began; however many
 * ask meanwhile, one ring leaves, and at most one is in flight. `close` rings for those who still wait.
 */
export function debouncedBell(
  ring: () => Promise<void>,
  pace: { readonly soonMs: number; readonly apartMs: number },
): { ring(): void; close(): Promise<void> } {
  let timer: NodeJS.Timeout | null = null;
  let ringing: Promise<void> | null = null;
  let again = false;
  let lastMs = Number.NEGATIVE_INFINITY;
  const go = (): void => {
    timer = null;
    if (ringing !== null) {
      again = true;
      return;
    }
    lastMs = performance.now();
    // A ring that is lost delays a settlement until the next sweep; the answer is committed.
    ringing = ring()
      .catch(() => undefined)
      .finally(() => {
        ringing = null;
        if (again) {
          again = false;
          ask();
        }
      });
  };
  const ask = (): void => {
    timer ??= setTimeout(go, Math.max(pace.soonMs, lastMs + pace.apartMs - performance.now()));
  };
  return {
    ring: ask,
    close: async () => {
      if (timer !== null) {
        clearTimeout(timer);
        go();
      }
      await ringing;
    },
  };
}
