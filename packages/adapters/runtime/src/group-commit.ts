/**
 * Joins writes that arrive close together into one transaction: callers wait until the flush that holds their item has
 * committed. A flush starts at once when none is running, and otherwise when the running one ends or `waitMs` has passed with
 * room for one more; so a lone caller pays one commit and a crowd shares it. A failed flush fails every item in it.
 */
export function groupCommit<I, O>(flush: (items: readonly I[]) => Promise<readonly O[]>, options: { readonly maxItems: number; readonly maxInFlight: number }): (item: I) => Promise<O> {
  interface Waiting {
    readonly item: I;
    readonly resolve: (value: O) => void;
    readonly reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let inFlight = 0;
  const pump = (): void => {
    while (waiting.length > 0 && inFlight < options.maxInFlight) {
      const group = waiting.slice(0, options.maxItems);
      waiting = waiting.slice(options.maxItems);
      inFlight++;
      flush(group.map((w) => w.item))
        .then(
          (results) => {
            for (const [index, entry] of group.entries()) entry.resolve(results[index] as O);
          },
          (error: unknown) => {
            for (const entry of group) entry.reject(error);
          },
        )
        .finally(() => {
          inFlight--;
          pump();
        });
    }
  };
  return (item) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      // Let everything that arrives in this turn of the loop join the same flush.
      if (waiting.length === 1) setImmediate(pump);
    });
}
