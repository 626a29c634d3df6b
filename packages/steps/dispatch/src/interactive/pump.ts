/** Characters of a stream that wait for a slow reader; more than any ordinary answer has. */
const AHEAD_CHARS = 4 * 1024 * 1024;
/** A reader that takes nothing for so long while the buffer is full is treated as gone. */
const STALL_MS = 30_000;

/**
 * Reads `source` ahead of its reader, so that an answer which is being paid for is heard to its end however slow the reader
 * is, and hands the items on in order. When the reader leaves or stalls, the source is left early and decides itself what becomes of the rest.
 */
export async function* pump(source: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  const waiting: string[] = [];
  let chars = 0;
  let left = false;
  let ended = false;
  let failure: { error: unknown } | null = null;
  let wakeReader: (() => void) | null = null;
  let wakeWriter: (() => void) | null = null;
  const wake = (which: (() => void) | null): void => which?.();

  const write = async (): Promise<void> => {
    try {
      for await (const item of source) {
        waiting.push(item);
        chars += item.length;
        wake(wakeReader);
        if (chars > AHEAD_CHARS && !left) left = !(await roomWithin(STALL_MS));
        if (left) break;
      }
    } catch (error) {
      failure = { error };
    }
    ended = true;
    wake(wakeReader);
  };
  const roomWithin = async (ms: number): Promise<boolean> => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), ms);
    wakeWriter = () => resolve(true);
    const room = await promise;
    clearTimeout(timer);
    wakeWriter = null;
    return room;
  };

  void write();
  try {
    for (;;) {
      const item = waiting.shift();
      if (item !== undefined) {
        chars -= item.length;
        if (chars <= AHEAD_CHARS) wake(wakeWriter);
        yield item;
      } else if (failure !== null) throw (failure as { error: unknown }).error;
      else if (ended) return;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        wakeReader = resolve;
        // What came between the look at the queue and this line is not waited for.
        if (waiting.length === 0 && !ended) await promise;
        wakeReader = null;
      }
    }
  } finally {
    left = true;
    wake(wakeWriter);
  }
}
