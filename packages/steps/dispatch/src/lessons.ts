import { type LaneId, laneClass } from "@slowboat/contract";
import { learnTurnaround, type Turnaround } from "@slowboat/plan";
import { keepLessons, readSeenBatches, type Sql } from "@slowboat/store";

/** What batches take, learned from the installation's own. */
export interface Lessons {
  /** By lane, for those with enough batches of their own; read again every few minutes of job time. */
  of(tx: Sql, lanes: readonly { readonly id: LaneId; readonly emulated: boolean }[], nowMs: number): Promise<ReadonlyMap<LaneId, Turnaround>>;
}

/** Until a lane has this many batches of its own it is planned with what is published, and said to be. */
const LEAST = 50;
/** How long (job ms) a lesson holds. */
const HOLDS_MS = 300_000;

/** With `keep`, each lesson is written down for those who ask why: by the process that decides. */
export function createLessons(options: { readonly keep: boolean } = { keep: true }): Lessons {
  let learned: ReadonlyMap<LaneId, Turnaround> = new Map();
  let untilMs = Number.NEGATIVE_INFINITY;
  return {
    async of(tx, lanes, nowMs) {
      if (nowMs < untilMs) return learned;
      untilMs = nowMs + HOLDS_MS;
      const batch = lanes.filter((lane) => laneClass(lane.id) === "batch");
      const known = new Map<LaneId, Turnaround>();
      for (const emulated of new Set(batch.map((lane) => lane.emulated))) {
        const ids = batch.filter((lane) => lane.emulated === emulated).map((lane) => lane.id);
        const rows = await readSeenBatches(tx, { lanes: ids, emulated });
        for (const id of ids) {
          const own = rows.filter((row) => row.lane === id).map((row) => ({ ...row, lastAtMs: row.lastAtMs ?? nowMs }));
          if (own.filter((row) => row.ended).length >= LEAST) known.set(id, learnTurnaround(own, nowMs));
        }
      }
      learned = known;
      const rows = [...known].map(([lane, lesson]) => ({ lane, learnedAtMs: nowMs, content: JSON.stringify(lesson) }));
      if (options.keep) await keepLessons(tx, rows);
      return learned;
    },
  };
}
