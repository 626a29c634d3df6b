import { type Rng, seededRng } from "@slowboat/kernel";
import { decideReuse, emptyState, learn, type Neighbour, type ReuseAsk, type ReuseState } from "@slowboat/reuse-semantic";
import type { PairRow } from "./read-reuse.ts";
import { cosine, type VectorOf } from "./vectors.ts";

const FOLDS = 5;
const NEIGHBOURS = 16;

/** How the rows of a file fared. */
export interface PairTally {
  right: number;
  wrong: number;
  miss: number;
  /** Rows that should be answered, and those of them that were, rightly. */
  same: number;
  sameRight: number;
  /** Rows that must not be answered, and those of them that were. */
  different: number;
  differentWrong: number;
}

/** One row as a question to a cache, and whether the elected entry's answer is right. */
interface Question {
  readonly row: PairRow;
  readonly text: string;
  readonly neighbours: readonly Neighbour[];
  readonly rightFor: (candidate: string) => boolean;
}

const newTally = (): PairTally => ({ right: 0, wrong: 0, miss: 0, same: 0, sameRight: 0, different: 0, differentWrong: 0 });

/**
 * The questions of a file. Where every pair means the same, all `a` are kept and every `b` is asked of them; the entry must be the row's own. Where some pairs must be told apart,
 * each `b` is asked of its own `a` alone.
 */
export function questionsOf(rows: readonly PairRow[], vectorOf: VectorOf): Question[] {
  const entry = (text: string, kept: string): Neighbour => ({
    id: kept,
    text: kept,
    similarity: cosine(vectorOf(text), vectorOf(kept)),
    answerKey: kept,
    ageMs: 0,
    hits: 0,
  });
  if (rows.some(({ same }) => !same)) return rows.map((row) => ({ row, text: row.b, neighbours: [entry(row.b, row.a)], rightFor: () => row.same }));
  const kept = [...new Set(rows.map(({ a }) => a))];
  return rows.map((row) => ({
    row,
    text: row.b,
    neighbours: kept
      .map((a) => entry(row.b, a))
      .sort((x, y) => y.similarity - x.similarity)
      .slice(0, NEIGHBOURS),
    rightFor: (candidate) => candidate === row.a,
  }));
}

/** Folds that never part two rows with a text in common; sizes are kept even, the largest family first. */
function foldsOf(rows: readonly PairRow[], rng: Rng): number[] {
  const parent = new Map<string, string>();
  const root = (text: string): string => {
    let at = text;
    while (parent.get(at) !== undefined && parent.get(at) !== at) at = parent.get(at) as string;
    return at;
  };
  for (const { a, b } of rows) {
    for (const text of [a, b]) if (!parent.has(text)) parent.set(text, text);
    parent.set(root(a), root(b));
  }
  const families = new Map<string, number[]>();
  rows.forEach(({ a }, no) => {
    const family = families.get(root(a)) ?? [];
    family.push(no);
    families.set(root(a), family);
  });
  const fold = new Array<number>(rows.length).fill(0);
  const sizes = new Array<number>(FOLDS).fill(0);
  const drawn = [...families.values()]
    .map((family) => ({ family, draw: rng.float() }))
    .sort((a, b) => b.family.length - a.family.length || a.draw - b.draw);
  for (const { family } of drawn) {
    const smallest = sizes.indexOf(Math.min(...sizes));
    sizes[smallest] = (sizes[smallest] as number) + family.length;
    for (const no of family) fold[no] = smallest;
  }
  return fold;
}

/** Cross-validated: a cold state learns from the rows of four folds, asked anew every one, and then decides on the fifth without learning. Explored hits are misses. */
export function crossValidated(questions: readonly Question[], allowedError: number, seed: number): PairTally {
  const rng = seededRng(seed);
  const fold = foldsOf(
    questions.map(({ row }) => row),
    rng,
  );
  const order = questions.map((_, no) => ({ no, draw: rng.float() })).sort((a, b) => a.draw - b.draw);
  const tally = newTally();
  for (let held = 0; held < FOLDS; held++) {
    let state = emptyState();
    for (const { no } of order) if (fold[no] !== held) state = taughtBy(state, questions[no] as Question, allowedError, rng);
    for (const { no } of order)
      if (fold[no] === held) count(tally, questions[no] as Question, decided(state, questions[no] as Question, allowedError, rng).chosen);
  }
  return tally;
}

/** Once through the file from a cold start, learning on the way, as a stream would. */
export function online(questions: readonly Question[], allowedError: number, seed: number): PairTally {
  const rng = seededRng(seed);
  const order = questions.map((_, no) => ({ no, draw: rng.float() })).sort((a, b) => a.draw - b.draw);
  const tally = newTally();
  let state = emptyState();
  for (const { no } of order) {
    const question = questions[no] as Question;
    const { ask, decision, chosen } = decided(state, question, allowedError, rng);
    count(tally, question, chosen);
    if (decision.kind !== "reuse" && decision.candidate !== null)
      state = learn(state, { ask, decision, label: question.rightFor(decision.candidate), nowMs: 0 });
  }
  return tally;
}

/** GPTCache's policy: the nearest entry when it is at least so near. */
export function nearestWithin(questions: readonly Question[], threshold: number): PairTally {
  const tally = newTally();
  for (const question of questions) {
    const first = question.neighbours[0];
    count(tally, question, first !== undefined && first.similarity >= threshold ? first.id : null);
  }
  return tally;
}

function decided(state: ReuseState, { text, neighbours }: Question, allowedError: number, rng: Rng) {
  const ask: ReuseAsk = { text, neighbours, allowedError };
  const decision = decideReuse(state, ask, rng);
  return { ask, decision, chosen: decision.kind === "reuse" ? decision.id : null };
}

const COLD = emptyState();

/** A label that came from a miss: the question was answered anew and the answers compared. */
function taughtBy(state: ReuseState, question: Question, allowedError: number, rng: Rng): ReuseState {
  const { ask, decision } = decided(COLD, question, allowedError, rng);
  return decision.candidate === null ? state : learn(state, { ask, decision, label: question.rightFor(decision.candidate), nowMs: 0 });
}

function count(tally: PairTally, { row, rightFor }: Question, chosen: string | null): void {
  const right = chosen !== null && rightFor(chosen);
  if (chosen === null) tally.miss++;
  else if (right) tally.right++;
  else tally.wrong++;
  if (row.same) {
    tally.same++;
    if (right) tally.sameRight++;
  } else {
    tally.different++;
    if (chosen !== null) tally.differentWrong++;
  }
}
