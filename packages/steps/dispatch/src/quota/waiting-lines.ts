import { dueAtMs } from "@slowboat/plan";
import { type DueJob, type QuotaId, quotaKey, readWaitingTokens, type Sql, type WaitingRow } from "@slowboat/store";

/**
 * What waits for each quota, as one planner knows it. Reading it costs as much as there is: with a million jobs that wait, a second. So it is read again only
 * after many times as long as the reading took, and in between the planner keeps the books itself: every job that it takes out or puts back.
 */
export interface WaitingLines {
  /** What waits besides these jobs, which the planner has taken; read from `tx` where the books are too old. */
  without(tx: Sql, id: QuotaId, jobs: Iterable<DueJob>): Promise<readonly WaitingRow[]>;
  /** The planner has put a job back: it waits for the quota again. */
  putBack(id: QuotaId, job: DueJob): void;
}

/** Reading may take a twentieth of a planner's time. */
const REST = 20;
/** Where fewer lines wait than this, they are read at every look: nothing is then remembered. */
const MANY_LINES = 20_000;

interface Row {
  readonly tenant: string;
  readonly minute: number;
  tokens: number;
  lines: number;
}

interface Book {
  /** By minute and tenant. */
  rows: Map<string, Row>;
  /** Whether they stand by minute: those that were read do, until one comes in between. */
  inOrder: boolean;
  readonly untilMs: number;
}

/** `nowMs` is machine time. */
export function createWaitingLines(nowMs: () => number = () => performance.now()): WaitingLines {
  const books = new Map<string, Book>();
  const minuteOf = (job: DueJob): number => Math.floor(dueAtMs(job) / 60_000);
  const nameOf = (minute: number, tenant: string): string => `${minute} ${tenant}`;
  const open = async (tx: Sql, id: QuotaId): Promise<Book> => {
    const known = books.get(quotaKey(id));
    if (known !== undefined && nowMs() < known.untilMs) return known;
    const askedMs = nowMs();
    const rows = await readWaitingTokens(tx, id);
    const tookMs = nowMs() - askedMs;
    const lines = rows.reduce((sum, row) => sum + row.lines, 0);
    const book = {
      rows: new Map(rows.map((row) => [nameOf(row.minute, row.tenant), row])),
      inOrder: true,
      untilMs: lines < MANY_LINES ? 0 : nowMs() + REST * tookMs,
    };
    books.set(quotaKey(id), book);
    return book;
  };
  return {
    async without(tx, id, jobs) {
      const key = quotaKey(id);
      const book = await open(tx, id);
      if (!book.inOrder) book.rows = new Map([...book.rows].sort(([, a], [, b]) => a.minute - b.minute));
      book.inOrder = true;
      const { rows } = book;
      for (const job of jobs) {
        const name = nameOf(minuteOf(job), job.tenantId);
        const row = job.heldFor === key ? rows.get(name) : undefined;
        if (row === undefined) continue;
        row.tokens -= job.inputTokensEst;
        row.lines -= 1;
        if (row.lines <= 0) rows.delete(name);
      }
      return [...rows.values()];
    },
    putBack(id, job) {
      const book = books.get(quotaKey(id));
      if (book === undefined) return;
      const { tenantId: tenant } = job;
      const minute = minuteOf(job);
      const known = book.rows.get(nameOf(minute, tenant));
      const row = known ?? { tenant, minute, tokens: 0, lines: 0 };
      row.tokens += job.inputTokensEst;
      row.lines += 1;
      if (known !== undefined) return;
      book.rows.set(nameOf(minute, tenant), row);
      book.inOrder = false;
    },
  };
}
