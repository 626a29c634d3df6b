import type { Sql } from "./connect.ts";

/** What was learned of a lane's batches at some instant, as JSON. */
export interface LessonRow {
  readonly lane: string;
  readonly learnedAtMs: number;
  readonly content: string;
}

/** Keeps lessons, so that decisions which rest on them can be taken again; one that is kept already stays. */
export async function keepLessons(tx: Sql, rows: readonly LessonRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into lesson (lane, learned_at_ms, content)
    select * from unnest(${rows.map((x) => x.lane)}::text[], ${rows.map((x) => x.learnedAtMs)}::float8[], ${rows.map((x) => x.content)}::text[])
    on conflict do nothing`;
}

/** Finds lessons by lane and instant. */
export async function readLessons(tx: Sql, wanted: readonly Pick<LessonRow, "lane" | "learnedAtMs">[]): Promise<LessonRow[]> {
  if (wanted.length === 0) return [];
  return await tx<LessonRow[]>`
    select l.lane, l.learned_at_ms as "learnedAtMs", l.content from lesson l
      join unnest(${wanted.map((x) => x.lane)}::text[], ${wanted.map((x) => x.learnedAtMs)}::float8[]) as t (lane, at_ms)
      on t.lane = l.lane and t.at_ms = l.learned_at_ms`;
}

/** Drops lessons older than an instant (job ms). */
export async function forgetLessons(tx: Sql, beforeMs: number): Promise<void> {
  await tx`delete from lesson where learned_at_ms < ${beforeMs}::float8`;
}
