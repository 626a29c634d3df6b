import type { Rng } from "@slowboat/kernel";
import { type BoostOptions, binned, boost, type Forest } from "./boost.ts";
import { type Grams, lowerGrams, readable } from "./grams.ts";
import { askGrove, type Grove, groveOf } from "./grove.ts";
import { LATENT, learnBasis, places } from "./latent.ts";
import { LEXICAL, lexicalOf } from "./lexical.ts";
import { type LinearHeads, margins, sigmoid, trainHeads } from "./linear.ts";
import { learnVocabulary, type Matrix, matrixOf, type Vocabulary, type Weighted, weigh, weighWords } from "./matrix.ts";
import { MOST_PLACES, type Neighbourhood, vote } from "./neighbours.ts";
import { learnPriors, type Priors, priorOf } from "./prior.ts";
import { learnStandard, type Standard, writeStandard } from "./standard.ts";

/** What a request is routed by: nothing of it can be read back. */
export interface Ask {
  readonly grams: Grams;
  readonly lexical: Float64Array;
  /** Key of the job or template it belongs to; empty for none. */
  readonly job: string;
}

/** What is seen of a prompt. */
export function askOf(prompt: string, job: string): Ask {
  const text = readable(prompt);
  const lower = text.toLowerCase();
  const grams = lowerGrams(lower);
  return { grams, lexical: lexicalOf({ chars: prompt.length, text, lower }, grams), job };
}

/** A request whose answers by every model have been graded, 0 to 1, in the order of the models. */
export interface Example extends Ask {
  readonly scores: Float64Array;
}

/** Kinds of head, in the order of `HeadScores`. */
export const HEADS = ["job", "lexical", "ridge", "logistic", "neighbours"] as const;

const BOOST: BoostOptions = { rounds: 150, rate: 0.05, leaves: 8, leastRows: 30, l2: 1 };
const RIDGE_PENALTY = 3;
const LOGISTIC_PENALTY = 1;

/** What has been learned of every model's quality, kind by kind. The first model is the baseline, the others are learned as gaps to it. */
export interface Heads {
  readonly models: number;
  readonly priors: Priors;
  readonly vocabulary: Vocabulary;
  readonly standard: Standard;
  readonly linear: LinearHeads;
  readonly wordVocabulary: Vocabulary;
  readonly basis: Float32Array;
  readonly neighbourhood: Neighbourhood;
  /** The baseline's level, then every other model's gap to it. */
  readonly forests: readonly Forest[];
}

/** Trains all kinds of head on some labelled requests. */
export function trainQuality(examples: readonly Example[], models: number, rng: Rng, above?: Float64Array): Heads {
  const texts = examples.map(({ grams }) => grams);
  const scores = examples.map((example) => example.scores);
  const lexical = examples.map((example) => example.lexical);
  const column = (m: number): Float64Array => Float64Array.from(scores, (row) => row[m]!);
  const each = <T>(of: (m: number) => T): T[] => Array.from({ length: models }, (_, m) => of(m));

  const vocabulary = learnVocabulary(texts);
  const standard = learnStandard(lexical, LEXICAL.length);
  const most = texts.reduce((sum, { buckets }) => sum + buckets.length + LEXICAL.length, 0);
  const linear = trainHeads(
    matrixOf(examples.length, most, (row, into, at) => writeAsk(examples[row]!, vocabulary, standard, into, at)),
    vocabulary.size + LEXICAL.length,
    [
      ...each((m) => ({ kind: "squared" as const, targets: column(m), penalty: RIDGE_PENALTY })),
      ...each((m) => ({ kind: "logistic" as const, targets: column(m), penalty: LOGISTIC_PENALTY })),
    ],
    rng,
  );

  const wordVocabulary = learnVocabulary(texts, true);
  const words = matrixOf(examples.length, most, (row, into, at) => weighWords(texts[row]!, wordVocabulary, into, at));
  const basis = learnBasis(words, wordVocabulary.size, rng);
  const flat = new Float32Array(examples.length * models);
  scores.forEach((row, i) => {
    flat.set(row, i * models);
  });
  const means = Float64Array.from(each((m) => column(m).reduce((sum, score) => sum + score, 0) / Math.max(1, examples.length)));

  const dense = binned(lexical, LEXICAL.length);
  const baseline = column(0);
  const forests = each((m) => boost(dense, m === 0 ? baseline : column(m).map((score, i) => score - baseline[i]!), BOOST));

  return {
    models,
    priors: learnPriors(
      examples.map(({ job }) => job),
      scores,
      models,
      above,
    ),
    vocabulary,
    standard,
    linear,
    wordVocabulary,
    basis,
    // The last of the labels: the callers put the newest there.
    neighbourhood: {
      places: places(words, basis).slice(-MOST_PLACES * LATENT),
      scores: flat.slice(-MOST_PLACES * models),
      models,
      means,
    },
    forests,
  };
}

/** Expected score of every model by every kind of head, in the order of `HEADS`. */
export type HeadScores = readonly Float64Array[];

const scratch = { columns: new Int32Array(65_536), values: new Float32Array(65_536) };
const dense = new Float32Array(LEXICAL.length);

/** Forests as they are asked, made when heads are first asked, from what is stored of them. */
const groves = new WeakMap<Heads, Grove>();

function groveIn(heads: Heads): Grove {
  const grove = groves.get(heads) ?? groveOf(heads.forests, LEXICAL.length);
  groves.set(heads, grove);
  return grove;
}

/** Asks every kind of head about one request. */
export function askHeads(heads: Heads, ask: Ask): HeadScores {
  const { models } = heads;
  const end = writeAsk(ask, heads.vocabulary, heads.standard, scratch, 0);
  const z = margins(heads.linear, scratch.columns, scratch.values, end);
  const logistic = z.slice(models);
  for (let m = 0; m < models; m++) logistic[m] = sigmoid(logistic[m]!);
  dense.set(ask.lexical);
  const trees = askGrove(groveIn(heads), dense);
  for (let m = 1; m < models; m++) trees[m] = trees[0]! + trees[m]!;
  return [priorOf(heads.priors, ask.job), trees, z.slice(0, models), logistic, vote(heads.neighbourhood, placeOf(heads, ask.grams))];
}

/** A request as one row of the linear heads: its grams, then its lexical features. */
function writeAsk({ grams, lexical }: Ask, vocabulary: Vocabulary, standard: Standard, into: Weighted, at: number): number {
  return writeStandard(standard, lexical, vocabulary.size, into, weigh(grams, vocabulary, into, at));
}

function placeOf({ wordVocabulary, basis }: Heads, grams: Grams): Float32Array {
  const end = weighWords(grams, wordVocabulary, scratch, 0);
  const row: Matrix = { starts: Int32Array.of(0, end), columns: scratch.columns, values: scratch.values, rows: 1 };
  return places(row, basis).subarray(0, LATENT);
}
