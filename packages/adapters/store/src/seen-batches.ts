import type { Sql } from "./connect.ts";

/** A provider batch as far as its fate is known; `lastAtMs` is `null` while it is out. Instants are job time. */
export interface SeenBatchRow {
  readonly lane: string;
  readonly submittedAtMs: number;
  readonly lastAtMs: number | null;
  /** It ended with its results, by itself and before its provider gave up on it. */
  readonly ended: boolean;
  readonly lines: number;
}

/** Ids are ordered by time: the newest dispatches are read from the end of the primary key, and no more of them than this. */
const NEWEST = 20_000;
/** A provider gives up on a batch after a day; what it hands out then has expired. */
const GIVEN_UP_MS = 23.9 * 3_600_000;

/** What became of the newest provider batches on these lanes, of real providers or of emulated ones. */
export async function readSeenBatches(tx: Sql, input: { readonly lanes: readonly string[]; readonly emulated: boolean }): Promise<SeenBatchRow[]> {
  return await tx<SeenBatchRow[]>`
    select lane, submitted_at_ms as "submittedAtMs", coalesce(cancel_at_ms, ended_at_ms) as "lastAtMs", jobs as lines,
      (state = ${"done"} and cancel_at_ms is null and provider_status is distinct from 'failed' and ended_at_ms - submitted_at_ms < ${GIVEN_UP_MS}::float8) as ended
    from (select * from dispatch order by id desc limit ${NEWEST}) newest
    where submitted_at_ms is not null and emulated = ${input.emulated} and lane = any(${input.lanes as string[]}::text[])`;
}
