import { seededRng } from "@slowboat/kernel";
import {
  askHeads,
  choose,
  crossFit,
  type Example,
  type Expectation,
  expectFrom,
  judge,
  learnPriors,
  partsOf,
  priceOfQuality,
  priorOf,
  routerOf,
  trainAcceptor,
} from "@slowboat/route";
import type { FileName, Labels } from "./labels.ts";

/** One fold of one repeat of one file. */
export interface FoldTask {
  readonly file: FileName;
  readonly repeat: number;
  readonly fold: number;
  readonly seed: number;
  /** Labels to train on; 0 for all of the other folds. */
  readonly labels: number;
  /** Prices of the models as shares of the baseline's, for files of many models. */
  readonly costs: readonly number[];
}

/** What was said of the rows of the fold, by column. */
export interface FoldResult {
  readonly task: FoldTask;
  readonly rows: number[];
  readonly columns: Readonly<Record<string, number[]>>;
}

export const FOLDS = 5;

/** Trains on the other folds, on nothing of this one, and judges the rows of this one. */
export function runFold(labels: Labels, task: FoldTask): FoldResult {
  const rng = seededRng(task.seed * 1_000_003 + task.repeat * 7_919 + 17);
  const parts = partsOf(labels.examples.length, FOLDS, rng);
  const index = labels.examples.map((_, i) => i);
  const rows = index.filter((i) => parts[i] === task.fold);
  const rest = index.filter((i) => parts[i] !== task.fold);
  const own = seededRng(rng.u32() ^ (task.fold * 0x9e3779b1));
  const order = partsOf(rest.length, rest.length, own);
  const known = rest.filter((_, at) => task.labels === 0 || order[at]! < task.labels);
  const train = known.map((i) => labels.examples[i]!);
  const fitted = crossFit(train, labels.models.length, own);
  const withJob = routerOf(fitted, train, { jobs: true });
  const textOnly = routerOf(fitted, train, { jobs: false });
  const asked = rows.map((i) => askHeads(fitted.heads, labels.examples[i]!));
  const job = asked.map((scores, at) => expectFrom(withJob, labels.examples[rows[at]!]!.job, scores));
  const text = asked.map((scores) => expectFrom(textOnly, "", scores));
  const columns: Record<string, number[]> =
    labels.models.length === 2
      ? { job: loss(job), text: loss(text), quality: job.map(({ quality }) => quality[1]!), constant: rows.map(() => mean(train, 1)) }
      : many(task, {
          train,
          rows: rows.map((i) => labels.examples[i]!),
          job,
          text,
          held: fitted.held.map((scores, at) => [withJob, textOnly].map((router) => expectFrom(router, train[at]!.job, scores).gap)),
        });
  if (labels.answers.length > 0)
    for (const form of ["plain", "stripped"] as const) {
      const before = (expectation: Expectation): number => -expectation.gap[1]!;
      const graded = known.map((i, at) => ({
        ...labels.answers[i]![form],
        expectedLoss: before(expectFrom(withJob, train[at]!.job, fitted.held[at]!)),
        score: labels.examples[i]!.scores[1]!,
        baselineScore: labels.examples[i]!.scores[0]!,
      }));
      const { acceptor } = trainAcceptor(graded, own);
      const verdicts = rows.map((i, at) => judge(acceptor, { ...labels.answers[i]![form], expectedLoss: before(job[at]!) }));
      columns[`cascade_${form}`] = verdicts.map((verdict) => verdict.loss);
      columns[`right_${form}`] = verdicts.map((verdict) => verdict.right);
    }
  return { task, rows, columns };
}

const loss = (expectations: readonly Expectation[]): number[] => expectations.map(({ gap }) => -gap[1]!);
const mean = (examples: readonly Example[], m: number): number => examples.reduce((sum, { scores }) => sum + scores[m]!, 0) / examples.length;

interface Many {
  readonly train: readonly Example[];
  readonly rows: readonly Example[];
  readonly job: readonly Expectation[];
  readonly text: readonly Expectation[];
  readonly held: readonly Float64Array[][];
}

/** Lambdas at which the table of task means is drawn. */
export const LAMBDAS = Array.from({ length: 41 }, (_, i) => 2 * (i / 40) ** 2);

/** Choices among many models: ours with its own lambda, learned inside the training rows, and the table of task means at a row of lambdas. */
function many({ costs }: FoldTask, { train, rows, job, text, held }: Many): Record<string, number[]> {
  const columns: Record<string, number[]> = {};
  for (const [name, expected, no] of [
    ["job", job, 0],
    ["text", text, 1],
  ] as const) {
    const lambda = priceOfQuality(
      train.map(({ scores }, i) => ({ gaps: held[i]![no]!, scores })),
      costs,
      0,
    );
    const chosen = expected.map(({ gap }) => choose(gap, costs, lambda).model);
    columns[`${name}_score`] = chosen.map((m, i) => rows[i]!.scores[m]!);
    columns[`${name}_price`] = chosen.map((m) => costs[m]!);
    for (let m = 0; m < costs.length; m++) columns[`${name}_quality_${m}`] = expected.map(({ quality }) => quality[m]!);
  }
  const jobs = train.map((example) => example.job);
  const priors = learnPriors(
    jobs,
    train.map(({ scores }) => scores),
    costs.length,
  );
  LAMBDAS.forEach((lambda, no) => {
    const chosen = rows.map((row) => choose(priorOf(priors, row.job), costs, lambda).model);
    columns[`table_score_${no}`] = chosen.map((m, i) => rows[i]!.scores[m]!);
    columns[`table_price_${no}`] = chosen.map((m) => costs[m]!);
  });
  columns["best_score"] = rows.map(({ scores }) => scores[0]!);
  columns["constant"] = rows.map(() => mean(train, 1));
  return columns;
}
