import { hexOf } from "@slowboat/kernel";
import type { Clock, Logger } from "@slowboat/runtime";
import { newestChange, readSpace, SEMANTIC_CHANNEL, type Store, type TailRow, tailEntries } from "@slowboat/store";
import type { Codes, Near, VectorIndex } from "@slowboat/vectors";

/** A namespace of a tenant, for the vectors of one encoder. */
export interface SpaceId {
  readonly tenantId: string;
  readonly namespace: Uint8Array;
  readonly embedder: string;
}

/** What this process holds of the kept questions' vectors. It may lack some; it never decides what is given. */
export interface Spaces {
  /** The nearest entries of a namespace, by number; `null` while the namespace is being read. */
  nearest(space: SpaceId, vector: Codes, k: number): Promise<Near[] | null>;
  /** Takes a number out that the truth no longer has. */
  forget(space: SpaceId, no: number): void;
  /** Reads what changed since the last time. */
  tail(): Promise<void>;
  stop(): Promise<void>;
}

const PAGE = 4_000;
/** How long (machine ms) a question waits for its namespace to be read; a larger one is read on without it, and it is a miss. */
const PATIENCE_MS = 100;
/** Changes that are read again at the first look: what had drawn its number and not committed. */
const OVERLAP = 2_000;
const TAIL_ROWS = 5_000;
/** A number that was drawn and not seen is looked for so long (machine ms): longer than any transaction may take. */
const HOLE_MS = 120_000;
const HOLES_MAX = 10_000;
/** What no bell told is found at most so much later (machine ms). */
const POLL_MS = 2_000;

const nameOf = ({ tenantId, namespace, embedder }: SpaceId): string => `${tenantId} ${hexOf(namespace)} ${embedder}`;

/**
 * Makes the memory of one process over an index: a namespace is read when it is first asked, and kept up by the changes after it: by bell, and every two
 * seconds. Numbers are drawn before their transactions commit, so that a later one may be seen first; the one that is missing is asked for
 * until it comes or two minutes have passed, and is a miss until then.
 */
export function createSpaces(deps: { readonly store: Store; readonly index: VectorIndex; readonly clock: Clock; readonly logger: Logger }): Spaces {
  const { store, index, clock, logger } = deps;
  const reading = new Map<string, Promise<void>>();
  const holes = new Map<number, number>();
  let after: number | null = null;
  let tailing: Promise<void> | null = null;
  let again = false;
  let listening: Promise<{ unlisten(): Promise<void> }> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let stopped = false;

  const tailOnce = async (): Promise<void> => {
    after ??= Math.max(0, (await newestChange(store.sql)) - OVERLAP);
    for (;;) {
      const rows = await tailEntries(store.sql, { after, holes: [...holes.keys()], limit: TAIL_ROWS });
      const newest = noteHoles(holes, rows, after, performance.now());
      for (const row of rows) take(index, row);
      const full = rows.filter((row) => row.seq > (after ?? 0)).length >= TAIL_ROWS;
      after = newest;
      if (!full) return;
    }
  };
  const tail = (): Promise<void> => {
    again = true;
    const run = async (): Promise<void> => {
      while (again && !stopped) {
        again = false;
        await tailOnce();
      }
    };
    tailing ??= run().finally(() => {
      tailing = null;
    });
    return tailing;
  };
  const look = (): void => {
    tail().catch((err: unknown) => logger.warn({ err }, "cache-tail-failed"));
  };
  const listen = (): void => {
    if (listening !== null || stopped) return;
    listening = store.sql.listen(SEMANTIC_CHANNEL, look, look);
    listening.catch((err: unknown) => {
      listening = null;
      logger.warn({ err }, "cache-bell-failed");
    });
    timer = setInterval(look, POLL_MS);
    timer.unref();
  };
  const read = async (space: SpaceId, name: string): Promise<void> => {
    listen();
    // First the changes, then the rows: what comes in between comes with the next change.
    await tail();
    index.open(name);
    for (let last = 0; !stopped; ) {
      const rows = await readSpace(store.sql, { ...space, after: last, nowMs: clock.job(), limit: PAGE });
      for (const { no, codes } of rows) if (!index.upsert(name, no, { codes: asCodes(codes), scale: 1 })) return;
      if (rows.length < PAGE) return;
      last = rows.at(-1)?.no ?? last;
    }
  };
  return {
    nearest: async (space, vector, k) => {
      const name = nameOf(space);
      if (!index.has(name) && !reading.has(name)) {
        const work = read(space, name).catch((err: unknown) => {
          index.drop(name);
          logger.warn({ err }, "cache-read-failed");
        });
        reading.set(
          name,
          work.finally(() => reading.delete(name)),
        );
      }
      const work = reading.get(name);
      if (work !== undefined && !(await inTime(work, PATIENCE_MS))) return null;
      return index.topK(name, vector, k);
    },
    forget: (space, no) => index.remove(nameOf(space), no),
    tail,
    stop: async () => {
      stopped = true;
      if (timer !== null) clearInterval(timer);
      const bell = await listening?.catch(() => null);
      await bell?.unlisten();
      await Promise.allSettled([...reading.values(), tailing]);
    },
  };
}

/** Postgres gives bytes; codes have a sign. */
const asCodes = (bytes: Uint8Array): Int8Array => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function take(index: VectorIndex, row: TailRow): void {
  const name = nameOf(row);
  if (!index.has(name)) return;
  if (row.codes === null) index.remove(name, row.no);
  else index.upsert(name, row.no, { codes: asCodes(row.codes), scale: 1 });
}

/** Notes the numbers between those that were seen, and forgets those that came or were waited for long enough; returns the newest. */
function noteHoles(holes: Map<number, number>, rows: readonly TailRow[], after: number, nowMs: number): number {
  let last = after;
  for (const { seq } of rows) {
    holes.delete(seq);
    if (seq <= last) continue;
    for (let missing = last + 1; missing < seq && holes.size < HOLES_MAX; missing++) holes.set(missing, nowMs);
    last = seq;
  }
  for (const [hole, sinceMs] of holes) if (nowMs - sinceMs > HOLE_MS) holes.delete(hole);
  return last;
}

async function inTime(work: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const done = await Promise.race([work.then(() => true as const), late]);
  clearTimeout(timer);
  return done;
}
