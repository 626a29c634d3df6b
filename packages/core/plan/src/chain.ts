import { type Candidate, type Fallback, laneClass } from "@slowboat/contract";
import { assert } from "@slowboat/kernel";
import { type PriceBook, resolveModel } from "@slowboat/pricing";
import { mayRun, type Option } from "./option.ts";
import { options } from "./options.ts";
import type { ChainModel, PlanJob, Snapshot, TriedLane } from "./snapshot.ts";
import { toCandidate } from "./to-candidate.ts";

/** One model of a job's chain with every lane that could run it, judged. */
export interface Level {
  /** As the caller named it. */
  readonly name: string;
  /** `null` for the model that was asked for. */
  readonly fallback: ChainModel | null;
  readonly judged: readonly Option[];
}

/** A job's fallbacks in the planner's terms; intake has refused unpriced ones where the tenant does not allow them. */
export const chainOf = (book: PriceBook, fallbacks: readonly Fallback[]): ChainModel[] =>
  fallbacks.map(({ model, provider, endpoint, refused = null, notes = [] }) => {
    const known = resolveModel(book, model);
    return { name: model, candidates: known?.candidates ?? [{ provider, model }], endpoint, allowUnpriced: known === null, refused, notes };
  });

/** What failed a job stands against a model where it was that model's failure; an account that refuses everything stands against all. */
const triedBy = (job: PlanJob, fallback: ChainModel | null): TriedLane[] =>
  job.lanesTried.filter(
    ({ outcome, model }) => outcome === "parked" || (fallback === null ? model == null : fallback.candidates.some((one) => one.model === model)),
  );

/** The job as if only this model of its chain were there. */
function levelJob(job: PlanJob, fallback: ChainModel | null): PlanJob {
  const lanesTried = triedBy(job, fallback);
  if (fallback === null) return { ...job, lanesTried };
  const { name, candidates, endpoint, allowUnpriced } = fallback;
  // A prompt prefix is counted for the asked model.
  return { ...job, model: name, candidates, endpoint, allowUnpriced, lanesTried, shared: null };
}

/**
 * Judges every lane for every model of the chain, the asked model first, unless routing put another before it. Lanes that failed the job are avoided while any model has
 * another way; when none is left they are tried again, within the job's attempts, but for what refused the request itself.
 */
export function judgeChain(job: PlanJob, snapshot: Snapshot, nowMs: number): Level[] {
  const fallbacks = job.fallbacks ?? [];
  const first = fallbacks.find(({ name }) => name === job.first?.name);
  const order = first === undefined ? [null, ...fallbacks] : [first, null, ...fallbacks.filter((one) => one !== first)];
  const judge = (of: PlanJob): Level[] =>
    order.map((fallback) => {
      const chain = { chained: fallbacks.length > 0, refused: fallback?.refused ?? null };
      return { name: fallback?.name ?? of.model, fallback, judged: options(levelJob(of, fallback), chain, snapshot, nowMs) };
    });
  const levels = judge(job);
  const all = levels.flatMap((level) => level.judged);
  const urgent = job.deadlineAtMs === null && fallbacks.length > 0;
  const ways = all.filter((option) => mayRun(option) && !(urgent && laneClass(option.lane) === "batch"));
  if (ways.length > 0 || !all.some((option) => option.out === "tried")) return levels;
  const lasting = job.lanesTried.filter(({ outcome }) => outcome === "parked" || outcome === "rejected");
  return judge({ ...job, lanesTried: lasting });
}

/** Every lane of every model in a job's chain as the record shows it; for decisions that place nothing. */
export const candidatesOf = (job: PlanJob, snapshot: Snapshot, nowMs: number): Candidate[] => {
  const levels = judgeChain(job, snapshot, nowMs);
  return levels.flatMap(({ name, judged }) => judged.map((option) => ({ ...toCandidate(option), ...(levels.length === 1 ? {} : { model: name }) })));
};

/**
 * The model whose turn it is: the first with a lane that makes the deadline, else the first with any lane at all, so that a model which was
 * asked for by name is left only where it cannot answer in time and another can. What is urgent is not put into a batch while another
 * model would answer at once. `null` when none has a lane.
 */
export function levelInTurn(levels: readonly Level[], urgent: boolean): Level | null {
  const inTime = ({ out, lane }: Option): boolean => out === null && !(urgent && laneClass(lane) === "batch");
  return levels.find(({ judged }) => judged.some(inTime)) ?? levels.find(({ judged }) => judged.some(mayRun)) ?? null;
}

/** Why no model before this one was taken, for the record. */
export function whyNotBefore(levels: readonly Level[], taken: Level): string {
  const before = levels.slice(0, levels.indexOf(taken));
  assert(before.length > 0, "a fallback has the asked model before it");
  return before
    .map(({ name, judged }) => {
      const lanes = judged.filter((option) => option.out !== "not-allowed");
      const none = judged.length === 0 ? "no lane here serves it" : "none of its lanes is allowed";
      return `${name} cannot answer (${lanes.length === 0 ? none : lanes.map((o) => `${o.lane}: ${o.why}`).join("; ")})`;
    })
    .join(", ");
}
