import type { Sql } from "./connect.ts";

/** Fewer filed rows are not worth a look at their pages. */
const ROWS = 1_000;
/** Pages that may be looked at for a row whose room comes back. */
const PAGES_A_ROW = 4;

/**
 * Makes the room of filed rows free for the next ones, so that the log stays about as small as its work and is written on pages that are at hand. A look
 * at it takes as long as it has pages that may hold something, which is many while an old snapshot still sees what is filed: so they are looked at only
 * when enough rows (`least`) have gone since the last time, whoever filed them. The returned function says whether it looked.
 */
export function callLogReclaimer(sql: Sql, least = ROWS): () => Promise<boolean> {
  let before = 0;
  return async () => {
    const [table] = await sql<{ gone: number; pages: number }[]>`
      select pg_stat_get_tuples_deleted(oid)::float8 as gone,
        (pg_relation_size(oid) / current_setting('block_size')::int)::float8 - relallvisible as pages
      from pg_class where oid = 'call_log'::regclass`;
    if (table === undefined) return false;
    // The server's counts begin anew after a crash.
    if (table.gone < before) before = 0;
    const rows = table.gone - before;
    if (rows < least || rows * PAGES_A_ROW < table.pages) return false;
    before = table.gone;
    // What is put aside, and shrinking, is left to the server's own vacuum.
    await sql.unsafe("vacuum (skip_locked, truncate off, process_toast off) call_log");
    return true;
  };
}
