/** Rings a bell soon: however many ask within `everyMs`, one ring leaves, and at most one is in flight. */
export function debouncedBell(ring: () => Promise<void>, everyMs: number): { ring(): void; close(): Promise<void> } {
  let timer: NodeJS.Timeout | null = null;
  let ringing: Promise<void> | null = null;
  let again = false;
  const go = (): void => {
    timer = null;
    if (ringing !== null) {
      again = true;
      return;
    }
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
    timer ??= setTimeout(go, everyMs);
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
