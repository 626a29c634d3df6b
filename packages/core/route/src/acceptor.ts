import type { Rng } from "@slowboat/kernel";
import { ANSWER } from "./answer.ts";
import { type Blend, fitBlend, readBlend } from "./blend.ts";
import { type BoostOptions, binned, boost, type Forest, predict } from "./boost.ts";
import type { Grams } from "./grams.ts";
import { type LinearHeads, margins, trainHeads } from "./linear.ts";
import { learnVocabulary, matrixOf, type Vocabulary, type Weighted, weigh } from "./matrix.ts";
import { partsOf } from "./router.ts";
import { learnStandard, type Standard, writeStandard } from "./standard.ts";

/** An answer of a cheaper model as the acceptor sees it. */
export interface Answered {
  readonly grams: Grams;
  readonly features: Float64Array;
  /** What was expected before it was asked: the baseline's score less this model's. */
  readonly expectedLoss: number;
}

/** An answer that has been graded, and the baseline's for the same request. */
export interface GradedAnswer extends Answered {
  readonly score: number;
  readonly baselineScore: number;
}

/** Judges an answer after it was given: much more is known then than before. */
export interface Acceptor {
  readonly parts: Parts;
  /** Probability that the answer is right. */
  readonly right: Blend;
  /** The baseline's score less this answer's, expected. */
  readonly loss: Blend;
  readonly labels: number;
}

interface Parts {
  readonly forest: Forest;
  readonly vocabulary: Vocabulary;
  readonly standard: Standard;
  readonly linear: LinearHeads;
}

/** What an acceptor makes of an answer. */
export interface Verdict {
  readonly right: number;
  readonly loss: number;
}

const BOOST: BoostOptions = { rounds: 120, rate: 0.05, leaves: 8, leastRows: 20, l2: 1 };
const PENALTY = 1;
/** Weights of the answer's figures, the answer's text, and what was expected beforehand. */
const WEIGHTS = [1, 1, 0.5] as const;
const FOLDS = 4;

/** Trains on graded answers, and says of each what parts thought that had not seen its grade. */
export function trainAcceptor(graded: readonly GradedAnswer[], rng: Rng): { readonly acceptor: Acceptor; readonly held: readonly Verdict[] } {
  const folds = partsOf(graded.length, FOLDS, rng);
  const rows: number[][] = new Array(graded.length);
  for (let fold = 0; fold < FOLDS; fold++) {
    const parts = trainParts(
      graded.filter((_, i) => folds[i] !== fold),
      rng,
    );
    graded.forEach((answer, i) => {
      if (folds[i] === fold) rows[i] = ask(parts, answer);
    });
  }
  const lost = graded.map(({ score, baselineScore }) => baselineScore - score);
  const wrong = graded.map(({ score }) => 1 - score);
  const acceptor: Acceptor = {
    parts: trainParts(graded, rng),
    right: fitBlend("probability", rows, wrong, WEIGHTS),
    loss: fitBlend("difference", rows, lost, WEIGHTS),
    labels: graded.length,
  };
  return { acceptor, held: rows.map((row) => verdictOf(acceptor, row)) };
}

function trainParts(graded: readonly GradedAnswer[], rng: Rng): Parts {
  const rights = Float64Array.from(graded, ({ score }) => score);
  const features = graded.map((answer) => answer.features);
  const vocabulary = learnVocabulary(graded.map(({ grams }) => grams));
  const standard = learnStandard(features, ANSWER.length);
  const most = graded.reduce((sum, { grams }) => sum + grams.buckets.length + ANSWER.length, 0);
  const matrix = matrixOf(graded.length, most, (row, into, at) => write(graded[row]!, vocabulary, standard, into, at));
  return {
    forest: boost(binned(features, ANSWER.length), rights, BOOST),
    vocabulary,
    standard,
    linear: trainHeads(matrix, vocabulary.size + ANSWER.length, [{ kind: "logistic", targets: rights, penalty: PENALTY }], rng),
  };
}

function write(answer: Answered, vocabulary: Vocabulary, standard: Standard, into: Weighted, at: number): number {
  return writeStandard(standard, answer.features, vocabulary.size, into, weigh(answer.grams, vocabulary, into, at));
}

const scratch = { columns: new Int32Array(65_536), values: new Float32Array(65_536) };

/** How much each part speaks against the answer. */
function ask({ forest, vocabulary, standard, linear }: Parts, answer: Answered): number[] {
  const end = write(answer, vocabulary, standard, scratch, 0);
  const [margin] = margins(linear, scratch.columns, scratch.values, end);
  return [-predict(forest, Float32Array.from(answer.features)), -margin!, answer.expectedLoss];
}

function verdictOf({ right, loss }: Pick<Acceptor, "right" | "loss">, row: readonly number[]): Verdict {
  return { right: 1 - readBlend(right, row), loss: readBlend(loss, row) };
}

/** What the acceptor thinks of an answer. */
export const judge = (acceptor: Acceptor, answer: Answered): Verdict => verdictOf(acceptor, ask(acceptor.parts, answer));
