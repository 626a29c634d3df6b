interface Event {
  readonly atMs: number;
  readonly no: number;
  readonly run: () => void;
}

/** The virtual clock, in whole ms: runs what was planned in order of time, and of planning where the time is the same. */
export interface Engine {
  readonly nowMs: () => number;
  /** Plans something for an instant; one that has passed means now. */
  at(atMs: number, run: () => void): void;
  /** Runs until nothing is planned, `after` behind every event. Returns how many there were. Throws beyond `limit`: a world that never ends is a bug. */
  run(limit: number, after: () => void): number;
}

export function createEngine(startMs: number): Engine {
  const heap: Event[] = [];
  let nowMs = startMs;
  let planned = 0;
  const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.no < b.no);
  const rise = (event: Event): void => {
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Event;
      if (!before(event, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  };
  const take = (): Event | null => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
    return first;
  };
  return {
    nowMs: () => nowMs,
    at: (atMs, run) => rise({ atMs: Math.max(nowMs, Math.ceil(atMs)), no: planned++, run }),
    run(limit, after) {
      let done = 0;
      for (let event = take(); event !== null; event = take()) {
        nowMs = event.atMs;
        event.run();
        after();
        if (++done > limit) throw new Error(`the world did not end within ${limit} events`);
      }
      return done;
    },
  };
}
