import { dueAtMs } from "@slowboat/plan";
import { type DueJob, type QuotaId, quotaKey, readWaitingTokens, type Sql } from "@slowboat/store";

/** What waits for a quota in one minute of the instants that order it. */
export interface WaitingMinute {
  readonly minute: number;
  readonly tokens: number;
  readonly lines: number;
}

/**
 * What waits for each quota, as one planner knows it. Reading it costs as much as there is: with a million jobs that wait, a second. So it is read again only
 * after many times as long as the reading took, and in between the planner keeps the books itself: every job that it takes out or puts back.
 */
export interface WaitingLines {
  /** What waits besides these jobs, which the planner has taken; read from `tx` where the books are too old. */
  without(tx: Sql, id: QuotaId, jobs: Iterable<DueJob>): Promise<readonly WaitingMinute[]>;
  /** The planner has put a job back: it waits for the quota again. */
  putBack(id: QuotaId, job: DueJob): void;
}

/** Reading may take a twentieth of a planner's time. */
const REST = 20;
/** Where fewer lines wait than this, they are read at every look: nothing is then remembered. */
const MANY_LINES = 20_000;

interface Book {
  readonly minutes: Map<number, { tokens: number; lines: number }>;
  readonly untilMs: number;
}

/** `nowMs` is machine time. */
export function createWaitingLines(nowMs: () => number = () => performance.now()): WaitingLines {
  const books = new Map<string, Book>();
  const minuteOf = (job: DueJob): number => Math.floor(dueAtMs(job) / 60_000);
  const open = async (tx: Sql, id: QuotaId): Promise<Book> => {
    const known = books.get(quotaKey(id));
    if (known !== undefined && nowMs() < known.untilMs) return known;
    const askedMs = nowMs();
    const rows = await readWaitingTokens(tx, id);
    const tookMs = nowMs() - askedMs;
    const lines = rows.reduce((sum, row) => sum + row.lines, 0);
    const minutes = new Map(rows.map(({ minute, ...row }) => [minute, row]));
    const book = { minutes, untilMs: lines < MANY_LINES ? 0 : nowMs() + REST * tookMs };
    books.set(quotaKey(id), book);
    return book;
  };
  return {
    async without(tx, id, jobs) {
      const key = quotaKey(id);
      const { minutes } = await open(tx, id);
      for (const job of jobs) {
        const row = job.heldFor === key ? minutes.get(minuteOf(job)) : undefined;
        if (row === undefined) continue;
        row.tokens -= job.inputTokensEst;
        row.lines -= 1;
        if (row.lines <= 0) minutes.delete(minuteOf(job));
      }
      return [...minutes].sort(([a], [b]) => a - b).map(([minute, row]) => ({ minute, ...row }));
    },
    putBack(id, job) {
      const minutes = books.get(quotaKey(id))?.minutes;
      if (minutes === undefined) return;
      const row = minutes.get(minuteOf(job)) ?? { tokens: 0, lines: 0 };
      row.tokens += job.inputTokensEst;
      row.lines += 1;
      minutes.set(minuteOf(job), row);
    },
  };
}
