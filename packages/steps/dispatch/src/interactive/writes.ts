import type { Clock } from "@slowboat/runtime";
import { groupCommit } from "@slowboat/runtime";
import {
  type EndedAttempt,
  type EndedJob,
  endAttempts,
  endJobs,
  insertAttempts,
  insertJobs,
  type NewAttempt,
  type NewJob,
  type PlacedJob,
  placeJobs,
  type SavedAnswer,
  type Sql,
  type Store,
  saveAnswers,
} from "@slowboat/store";

/**
 * What an interactive call commits, in the order of its life.
 * - `open`: job and first attempt, before the socket opens (or both at once with a reuse hit)
 * - `again`: the refused attempt ends, the next one begins
 * - `answer`: the provider's raw answer
 * - `fail`: the attempt ended without an answer that the caller could have, and the job with it
 */
export type Write =
  | { readonly kind: "open"; readonly job: NewJob; readonly attempt: NewAttempt }
  | { readonly kind: "again"; readonly ended: EndedAttempt; readonly attempt: NewAttempt; readonly placed: PlacedJob }
  | { readonly kind: "answer"; readonly answer: SavedAnswer }
  | { readonly kind: "fail"; readonly ended: EndedAttempt; readonly job: EndedJob };

/** At most this many calls share a commit; beyond it the statements grow faster than the commits shrink. */
const GROUP_ITEMS = 256;
/** Two flushes overlap, so that one group forms while the other waits for the disk. */
const GROUPS_IN_FLIGHT = 2;

/**
 * Commits writes of concurrent calls together; resolves when the caller's own write is durable. A write that Postgres refuses
 * fails alone: its group is run again one by one.
 */
export function interactiveWrites(store: Store, clock: Clock): (write: Write) => Promise<void> {
  const run = (writes: readonly Write[]): Promise<void> => store.begin((tx) => apply(tx, writes, clock));
  const flush = async (writes: readonly Write[]): Promise<readonly (null | { error: unknown })[]> => {
    try {
      await run(writes);
      return writes.map(() => null);
    } catch (error) {
      if (writes.length === 1) return [{ error }];
    }
    const outcomes: (null | { error: unknown })[] = [];
    for (const write of writes)
      outcomes.push(
        await run([write]).then(
          () => null,
          (error: unknown) => ({ error }),
        ),
      );
    return outcomes;
  };
  const join = groupCommit(flush, { maxItems: GROUP_ITEMS, maxInFlight: GROUPS_IN_FLIGHT });
  return async (write) => {
    const outcome = await join(write);
    if (outcome !== null) throw outcome.error;
  };
}

async function apply(tx: Sql, writes: readonly Write[], clock: Clock): Promise<void> {
  const of = <K extends Write["kind"]>(kind: K): Extract<Write, { kind: K }>[] =>
    writes.filter((w): w is Extract<Write, { kind: K }> => w.kind === kind);
  const nowMs = clock.job();
  const realMs = clock.real();
  const [opens, agains, answers, fails] = [of("open"), of("again"), of("answer"), of("fail")];
  await insertJobs(
    tx,
    opens.map((w) => w.job),
  );
  await endAttempts(tx, [...agains.map((w) => w.ended), ...fails.map((w) => w.ended)], nowMs);
  await insertAttempts(tx, [...opens.map((w) => w.attempt), ...agains.map((w) => w.attempt)], realMs);
  await placeJobs(
    tx,
    agains.map((w) => w.placed),
  );
  await saveAnswers(
    tx,
    answers.map((w) => w.answer),
    { nowMs, realMs },
  );
  await endJobs(
    tx,
    fails.map((w) => w.job),
    nowMs,
  );
}
