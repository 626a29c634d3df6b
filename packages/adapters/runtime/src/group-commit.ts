import { assert } from "@slowboat/kernel";

/**
 * Joins writes that arrive close together into one transaction: callers wait until the flush that holds their item has
 * committed. A flush starts in this turn of the loop while fewer than `maxInFlight` run, and otherwise when one of them ends; so a
 * lone caller pays one commit and a crowd shares it. `flush` answers one result an item, in order; a failed flush fails every item in it.
 */
export function groupCommit<I, O>(
  flush: (items: readonly I[]) => Promise<readonly O[]>,
  options: { readonly maxItems: number; readonly maxInFlight: number },
): (item: I) => Promise<O> {
  interface Waiting {
    readonly item: I;
    readonly resolve: (value: O) => void;
    readonly reject: (error: unknown) => void;
  }
  const run = async (items: readonly I[]): Promise<readonly O[]> => {
    const results = await flush(items);
    assert(results.length === items.length, `a flush of ${items.length} items answered ${results.length}`);
    return results;
  };
  let waiting: Waiting[] = [];
  let inFlight = 0;
  const pump = (): void => {
    while (waiting.length > 0 && inFlight < options.maxInFlight) {
      const group = waiting.slice(0, options.maxItems);
      waiting = waiting.slice(options.maxItems);
      inFlight++;
      // Not `finally`: what it makes keeps a group's objects, and with them all calls in it, until a full collection.
      const over = (): void => {
        inFlight--;
        pump();
      };
      run(group.map((w) => w.item)).then(
        (results) => {
          for (const [index, entry] of group.entries()) entry.resolve(results[index] as O);
          over();
        },
        (error: unknown) => {
          for (const entry of group) entry.reject(error);
          over();
        },
      );
    }
  };
  return (item) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      // Let everything that arrives in this turn of the loop join the same flush.
      if (waiting.length === 1) setImmediate(pump);
    });
}
