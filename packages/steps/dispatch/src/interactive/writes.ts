import type { Clock } from "@slowboat/runtime";
import { groupCommit } from "@slowboat/runtime";
import {
  type EndedAttempt,
  type EndedJob,
  endAttempts,
  endJobs,
  fileCalls,
  insertAttempts,
  isUsual,
  type LoggedAnswer,
  logCalls,
  type NewAttempt,
  type NewJob,
  type OpenedCall,
  type PlacedJob,
  placeJobs,
  type Reservation,
  reserveBudgets,
  type Sql,
  type Store,
  writeCalls,
} from "@slowboat/store";

/**
 * What an interactive call commits, in the order of its life.
 * - `open`: job and first attempt, before the socket opens (or both at once with a reuse hit); with what budgets must hold for it, or not at all
 * - `again`: the refused attempt ends, the next one begins
 * - `answer`: the provider's raw answer
 * - `fail`: the attempt ended without an answer that the caller could have, and the job with it
 *
 * `first` is the call as it was opened: it may only be logged so far.
 */
export type Write =
  | {
      readonly kind: "open";
      readonly job: NewJob;
      readonly attempt: NewAttempt;
      readonly hold?: Pick<Reservation, "amountNano" | "note"> | undefined;
    }
  | { readonly kind: "again"; readonly first: OpenedCall; readonly ended: EndedAttempt; readonly attempt: NewAttempt; readonly placed: PlacedJob }
  | { readonly kind: "answer"; readonly first: OpenedCall; readonly answer: LoggedAnswer }
  | { readonly kind: "fail"; readonly first: OpenedCall; readonly ended: EndedAttempt; readonly job: EndedJob };

type Of<K extends Write["kind"]> = Extract<Write, { readonly kind: K }>;
/** What every call has. */
type Usual = Of<"open" | "answer">;

/** At most this many calls share a commit; beyond it the statements grow faster than the commits shrink. */
const GROUP_ITEMS = 256;
/** What is logged together waits together, and takes at most so many rows of the log. */
const LOGGED_ITEMS = 64;
/** One group forms while the other is written: two at a time are half as large each, and dearer for every call in them. */
export const CALL_WRITERS = 1;
/** Of what seldom happens or may wait for a budget's lock, two groups may be under way. */
const OTHERS_IN_FLIGHT = 2;
/** A longer body or answer goes apart, so that nobody waits for its way to the disk who comes after it. */
const LONG_CHARS = 128 * 1024;

/** Where calls are written; `callStore`, where there is one, logs what every call writes, for the results service to file. */
interface Stores {
  readonly store: Store;
  readonly callStore?: Store;
}

/** What became of an item of a group; an error is its own caller's alone. */
type Outcome = null | { readonly error: unknown };

/**
 * Commits writes of concurrent calls together; resolves when the caller's own write is durable, and throws `budget-exceeded` for a call that does not
 * fit. Intents and answers, which every call has, share one commit of the call log; what seldom happens, or some budget counts, has a transaction of its
 * own.
 */
export function interactiveWrites({ store, callStore }: Stores, clock: Clock): (write: Write) => Promise<void> {
  const done = (writes: readonly unknown[]): Outcome[] => writes.map(() => null);
  const direct = grouped<Usual>((writes) => writeCalls(store.sql, halves(writes), at(clock)).then(() => done(writes)), OTHERS_IN_FLIGHT);
  const long = grouped<Of<"answer">>((writes) => store.begin((tx) => beside(tx, writes, clock)).then(() => done(writes)), OTHERS_IN_FLIGHT);
  const usual =
    callStore === undefined
      ? direct
      : grouped<Usual>((writes) => logCalls(callStore.sql, halves(writes), at(clock)).then(() => done(writes)), CALL_WRITERS, LOGGED_ITEMS);
  const held = grouped<Of<"open">>((writes) => store.begin((tx) => holding(tx, writes, clock)), OTHERS_IN_FLIGHT);
  const others = grouped<Of<"again" | "fail">>((writes) => store.begin((tx) => ended(tx, writes, clock)).then(() => done(writes)), OTHERS_IN_FLIGHT);
  const commit = (write: Usual): Promise<void> => {
    if (mayBeLogged(write)) return usual(write);
    return write.kind === "answer" && callStore !== undefined ? long(write) : direct(write);
  };
  return (write) => {
    if (write.kind === "open") return write.hold === undefined ? commit(write) : held(write);
    return write.kind === "answer" ? commit(write) : others(write);
  };
}

/** What the log takes, and nobody minds waiting behind; a reuse hit, which is answered as it is opened, is written at once. */
function mayBeLogged(write: Usual): boolean {
  if (write.kind === "answer") return write.answer.body.length <= LONG_CHARS;
  return isUsual(write) && (write.job.body?.length ?? 0) <= LONG_CHARS;
}

const at = (clock: Clock): { readonly nowMs: number; readonly realMs: number } => ({ nowMs: clock.job(), realMs: clock.real() });

/** Runs items that arrive close together as one transaction. What Postgres refuses fails alone: its group is run again one by one. */
function grouped<T>(
  run: (items: readonly T[]) => Promise<readonly Outcome[]>,
  maxInFlight: number,
  maxItems = GROUP_ITEMS,
): (item: T) => Promise<void> {
  const flush = async (items: readonly T[]): Promise<readonly Outcome[]> => {
    try {
      return await run(items);
    } catch (error) {
      if (items.length === 1) return [{ error }];
    }
    const outcomes: Outcome[] = [];
    for (const item of items)
      outcomes.push(
        await run([item]).then(
          ([outcome = null]) => outcome,
          (error: unknown) => ({ error }),
        ),
      );
    return outcomes;
  };
  const join = groupCommit(flush, { maxItems, maxInFlight });
  return async (item) => {
    const outcome = await join(item);
    if (outcome !== null) throw outcome.error;
  };
}

/** Writes answers beside the log: each may have come before its call was filed, which waits here for whoever is filing it. */
async function beside(tx: Sql, writes: readonly Of<"answer">[], clock: Clock): Promise<void> {
  await fileCalls(
    tx,
    writes.map((write) => write.first),
  );
  await writeCalls(tx, halves(writes), at(clock));
}

/** Opens the calls that fit into their budgets. */
async function holding(tx: Sql, writes: readonly Of<"open">[], clock: Clock): Promise<Outcome[]> {
  const now = at(clock);
  const rows = writes.map(({ job, hold }) => ({
    subjectId: job.id,
    tenantId: job.tenantId,
    keyId: job.keyId,
    amountNano: hold?.amountNano ?? null,
    note: hold?.note,
  }));
  const refused = await reserveBudgets(tx, rows, now);
  await writeCalls(tx, { opened: writes.filter((_, index) => refused[index] === null), answered: [] }, now);
  return refused.map((error) => (error === null ? null : { error }));
}

function halves(writes: readonly Usual[]): { opened: Of<"open">[]; answered: LoggedAnswer[] } {
  const opened = writes.filter((write) => write.kind === "open");
  return { opened, answered: writes.filter((write) => write.kind === "answer").map((write) => write.answer) };
}

async function ended(tx: Sql, writes: readonly Of<"again" | "fail">[], clock: Clock): Promise<void> {
  const agains = writes.filter((write) => write.kind === "again");
  const fails = writes.filter((write) => write.kind === "fail");
  const nowMs = clock.job();
  await fileCalls(
    tx,
    writes.map((write) => write.first),
  );
  await endAttempts(
    tx,
    writes.map((write) => write.ended),
    nowMs,
  );
  await insertAttempts(
    tx,
    agains.map((write) => write.attempt),
    clock.real(),
  );
  await placeJobs(
    tx,
    agains.map((write) => write.placed),
  );
  await endJobs(
    tx,
    fails.map((write) => write.job),
    nowMs,
  );
}
