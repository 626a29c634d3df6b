import { claimPair, type DuePair, delayPair, notePairErrands, type Sql, stepPair, takeErrands } from "@slowboat/store";
import { askShadows } from "./ask-shadows.ts";
import type { PairDeps } from "./deps.ts";
import { gradePair, readVerdicts } from "./grade-pair.ts";
import { answersOf, type Pair, readPair } from "./pair.ts";
import { teachPair, teachSaid } from "./teach.ts";

/** Pairs that are worked on in one turn, and errands taken in one transaction. */
const TURN = 200;
/** A pair that an error hit rests so long (job ms), and is given up after so many of them. */
const REST_MS = 60_000;
const TRIES_MAX = 5;

/** What a turn did. */
export interface PairTurn {
  /** Errands that came back. */
  readonly returned: number;
  /** Pairs that went a step further. */
  readonly stepped: number;
}

/**
 * One turn of learning from pairs: takes in errands that came back, asks new pairs' other candidates, grades what is complete and makes labels of it. Every step of a
 * pair is one transaction; several processes may run turns at once, each takes its own pairs. Ring the planner where `stepped` is not 0.
 */
export async function learnPairs(deps: PairDeps, signal: AbortSignal): Promise<PairTurn> {
  const returned = await takeIn(deps, signal);
  let stepped = 0;
  while (!signal.aborted && stepped < TURN && (await stepNext(deps))) stepped++;
  return { returned, stepped };
}

async function takeIn({ store, clock }: PairDeps, signal: AbortSignal): Promise<number> {
  let returned = 0;
  for (const kind of ["shadow", "grade"] as const) {
    let taken = TURN;
    while (taken === TURN && !signal.aborted) {
      taken = await store.begin(async (tx) => {
        const errands = await takeErrands(tx, { kind, limit: TURN });
        await notePairErrands(
          tx,
          errands.map(({ subjectId }) => subjectId),
          clock.job(),
        );
        return errands.length;
      });
      returned += taken;
    }
  }
  return returned;
}

/** Takes the next pair a step further; false when none is due. A pair that fails is put off, so that it does not keep the others waiting. */
async function stepNext(deps: PairDeps): Promise<boolean> {
  let claimed: DuePair | null = null;
  try {
    return await deps.store.begin(async (tx) => {
      claimed = await claimPair(tx, deps.clock.job());
      if (claimed === null) return false;
      await stepOf(deps, tx, claimed);
      return true;
    });
  } catch (err) {
    const failed = claimed as DuePair | null;
    if (failed === null) throw err;
    deps.logger.error({ err, jobId: failed.jobId, tenantId: failed.tenantId, alias: failed.alias }, "pair-failed");
    const why = await restOrDrop(deps, deps.store.sql, failed, "it could not be worked on");
    if (why !== null) await stepPair(deps.store.sql, { jobId: failed.jobId, state: "dropped", reason: why }, deps.clock.job());
    return true;
  }
}

/** Puts a pair off that nothing can be done about now; after some times of it says why it is to be dropped. */
async function restOrDrop({ clock }: PairDeps, tx: Sql, { jobId, tries }: DuePair, why: string): Promise<string | null> {
  if (tries + 1 >= TRIES_MAX) return why;
  await delayPair(tx, { jobId, untilMs: clock.job() + REST_MS * 2 ** tries });
  return null;
}

async function stepOf(deps: PairDeps, tx: Sql, row: DuePair): Promise<void> {
  if (row.state === "said") return await teachSaid(deps, tx, row);
  const pair = readPair(row);
  const why = typeof pair === "string" ? pair : row.state === "new" ? await askShadows(deps, tx, pair) : await grade(deps, tx, pair);
  if (why === null) return;
  await stepPair(tx, { jobId: row.jobId, state: "dropped", reason: why }, deps.clock.job());
  deps.logger.info({ jobId: row.jobId, tenantId: row.tenantId, alias: row.alias, reason: why }, "pair-dropped");
}

/** Grades a pair and makes a label of it; why it cannot, or `null`. */
async function grade(deps: PairDeps, tx: Sql, pair: Pair): Promise<string | null> {
  const answers = await answersOf(deps, tx, pair);
  const graded = pair.row.state === "judged" ? await readVerdicts(tx, pair) : await gradePair(deps, tx, pair, answers);
  if (graded.kind === "dropped") return graded.why;
  if (graded.kind === "unsure") return await restOrDrop(deps, tx, pair.row, graded.why);
  return graded.kind === "judging" ? null : await teachPair(deps, tx, pair, { relations: graded.relations, answers });
}
