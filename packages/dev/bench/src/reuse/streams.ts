import { type Rng, seededRng } from "@slowboat/kernel";
import { decideReuse, emptyState, learn, type Neighbour, noteReuse, type ReuseAsk } from "@slowboat/reuse-semantic";
import type { StreamRow } from "./read-reuse.ts";
import type { NearTable } from "./vectors.ts";

/** A request a second. */
const REQUEST_MS = 1_000;
const NEIGHBOURS = 16;

/** A stream with what lies near each of its requests. */
export interface Stream {
  readonly rows: readonly StreamRow[];
  readonly near: NearTable;
}

/** What a policy did with one stream in one order. */
export interface Run {
  readonly requests: number;
  readonly hits: number;
  readonly wrong: number;
  /** Wrong hits on requests that nothing answers. */
  readonly wrongOnNull: number;
  /** Would-be hits that were asked anew to learn. */
  readonly explored: number;
  /** Each of those weighs one over its chance: the sum of weights, of their squares, and of the weights of those that would have been wrong. */
  readonly exploredWeight: number;
  readonly exploredWeightSquares: number;
  readonly exploredWrongWeight: number;
  readonly drifts: number;
}

/** A run that has done nothing yet with so many requests. */
export const newRun = (requests: number) => ({
  requests,
  hits: 0,
  wrong: 0,
  wrongOnNull: 0,
  explored: 0,
  exploredWeight: 0,
  exploredWeightSquares: 0,
  exploredWrongWeight: 0,
  drifts: 0,
});

/** The order of the file for 0, otherwise a shuffle. */
export function orderOf(count: number, no: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, at) => at);
  if (no === 0) return order;
  const rng = seededRng(seed + no);
  for (let at = count - 1; at > 0; at--) {
    const other = rng.u32() % (at + 1);
    [order[at], order[other]] = [order[other] as number, order[at] as number];
  }
  return order;
}

/** Whether the answer of one row is right for another. */
export const rightFor = (rows: readonly StreamRow[], asked: number, kept: number): boolean =>
  rows[asked]?.answer !== null && rows[asked]?.answer === rows[kept]?.answer;

/** Our policy from a cold start: what is reused makes no entry, everything else is made and kept. */
export function runOurs({ rows, near }: Stream, order: readonly number[], allowedError: number, rng: Rng): Run {
  const run = newRun(order.length);
  const keptAt = new Float64Array(rows.length).fill(-1);
  const hits = new Int32Array(rows.length);
  let state = emptyState();
  order.forEach((at, arrived) => {
    const nowMs = arrived * REQUEST_MS;
    const ask: ReuseAsk = { text: rows[at]?.text ?? "", allowedError, neighbours: neighboursOf({ rows, near }, at, { keptAt, hits, nowMs }) };
    const decision = decideReuse(state, ask, rng);
    const candidate = decision.candidate === null ? -1 : Number(decision.candidate);
    const right = candidate >= 0 && rightFor(rows, at, candidate);
    if (decision.kind === "reuse") {
      run.hits++;
      hits[candidate] = (hits[candidate] as number) + 1;
      if (!right) run.wrong++;
      if (rows[at]?.answer === null) run.wrongOnNull++;
      state = noteReuse(state, ask, decision);
      return;
    }
    if (decision.kind === "explore") {
      const weight = 1 / decision.propensity;
      run.explored++;
      run.exploredWeight += weight;
      run.exploredWeightSquares += weight ** 2;
      if (!right) run.exploredWrongWeight += weight;
    }
    const before = state.driftedAtMs;
    if (candidate >= 0) state = learn(state, { ask, decision, label: right, nowMs });
    if (state.driftedAtMs !== before) run.drifts++;
    keptAt[at] = nowMs;
  });
  return run;
}

interface Store {
  /** When a row was kept; -1 for rows that are not. */
  readonly keptAt: Float64Array;
  readonly hits: Int32Array;
  readonly nowMs: number;
}

function neighboursOf({ rows, near }: Stream, at: number, { keptAt, hits, nowMs }: Store): Neighbour[] {
  const found: Neighbour[] = [];
  for (let no = at * near.nearest; no < (at + 1) * near.nearest && found.length < NEIGHBOURS; no++) {
    const row = near.rows[no] as number;
    const kept = keptAt[row] as number;
    if (kept < 0) continue;
    found.push({
      id: String(row),
      text: rows[row]?.text ?? "",
      similarity: near.similarities[no] as number,
      // What nothing answers was answered somehow, but by nothing that anybody else could use.
      answerKey: rows[row]?.answer ?? `nobody else's: ${row}`,
      ageMs: nowMs - kept,
      hits: hits[row] as number,
    });
  }
  return found;
}

/** GPTCache's policy, and every static threshold: the nearest entry when it is at least so near. */
export function runStatic({ rows, near }: Stream, order: readonly number[], threshold: number): Run {
  const run = newRun(order.length);
  const kept = new Uint8Array(rows.length);
  for (const at of order) {
    const first = nearestKept(near, at, kept);
    if (first === null || first.similarity < threshold) {
      kept[at] = 1;
      continue;
    }
    run.hits++;
    if (!rightFor(rows, at, first.row)) run.wrong++;
    if (rows[at]?.answer === null) run.wrongOnNull++;
  }
  return run;
}

/** The nearest kept row; `null` when none of the nearest is kept. */
export function nearestKept(near: NearTable, at: number, kept: Uint8Array): { row: number; similarity: number } | null {
  for (let no = at * near.nearest; no < (at + 1) * near.nearest; no++) {
    const row = near.rows[no] as number;
    if (kept[row] === 1) return { row, similarity: near.similarities[no] as number };
  }
  return null;
}
