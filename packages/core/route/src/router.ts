import type { Rng } from "@slowboat/kernel";
import { type Blend, fitBlend, readBlend } from "./blend.ts";
import { type Ask, askHeads, type Example, HEADS, type HeadScores, type Heads, trainQuality } from "./heads.ts";
import { shuffle } from "./linear.ts";
import { labelsOf } from "./prior.ts";
import { learnWithin, ownShare, readWithin, type Within } from "./within.ts";

/** How much each kind of head counts in the blend, in the order of `HEADS`. One setting for all traffic. */
const WEIGHTS = [1.5, 1, 0.7, 0.7, 0.5] as const;

/** A trained router of some models, the baseline first. */
export interface Router {
  readonly heads: Heads;
  /** Every model's level. */
  readonly levels: readonly Blend[];
  /** Every model's gap to the baseline; the baseline's own is not used. */
  readonly gaps: readonly Blend[];
  /** Every model's level by the job itself and the differences within it; empty where jobs are not to be known. */
  readonly within: readonly Within[];
  readonly labels: number;
}

/** What a router expects of one request. */
export interface Expectation {
  /** Probability that a model's answer is right (or its expected score). */
  readonly quality: Float64Array;
  /** Expected score less the baseline's. */
  readonly gap: Float64Array;
  readonly scores: HeadScores;
}

/** Heads trained on everything, and of every example what heads said that had not seen it. */
export interface CrossFit {
  readonly heads: Heads;
  readonly held: readonly HeadScores[];
}

/** How many parts the labels are cut into; each part is judged by heads trained on the others. */
const folds = (labels: number): number => (labels < 3_000 ? 4 : 2);

/** Parts of equal size, in a random order: `parts[i]` is the part of row `i`. */
export function partsOf(rows: number, count: number, rng: Rng): Int32Array {
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  shuffle(order, rng);
  const parts = new Int32Array(rows);
  order.forEach((i, at) => {
    parts[i] = at % count;
  });
  return parts;
}

/** Trains every kind of head once for each part left out, and once on all. */
export function crossFit(examples: readonly Example[], models: number, rng: Rng, above?: Float64Array): CrossFit {
  const count = folds(examples.length);
  const parts = partsOf(examples.length, count, rng);
  const held: HeadScores[] = new Array(examples.length);
  for (let part = 0; part < count; part++) {
    const heads = trainQuality(
      examples.filter((_, i) => parts[i] !== part),
      models,
      rng,
      above,
    );
    examples.forEach((example, i) => {
      if (parts[i] === part) held[i] = askHeads(heads, example);
    });
  }
  return { heads: trainQuality(examples, models, rng, above), held };
}

/** Blends and calibrates the heads on what they said of examples they had not seen. Without jobs, the job's prior is left out. */
export function routerOf({ heads, held }: CrossFit, examples: readonly Example[], { jobs }: { readonly jobs: boolean }): Router {
  // Of a single job the prior is the same for all, and what differs between the parts is noise.
  const known = jobs && heads.priors.jobs.size > 1;
  const weights = WEIGHTS.map((weight, h) => (h === 0 && !known ? 0 : weight));
  const names = examples.map(({ job }) => job);
  const levels: Blend[] = [];
  const gaps: Blend[] = [];
  const within: Within[] = [];
  for (let m = 0; m < heads.models; m++) {
    const scores = examples.map((example) => example.scores[m]!);
    const rows = held.map((row) => levelRow(row, m));
    levels.push(fitBlend("probability", rows, scores, weights));
    gaps.push(
      fitBlend(
        "difference",
        held.map((row) => gapRow(row, m)),
        examples.map((example, i) => scores[i]! - example.scores[0]!),
        weights,
      ),
    );
    if (known) within.push(learnWithin(names, rows, scores, WEIGHTS));
  }
  return { heads, levels, gaps, within, labels: examples.length };
}

const levelRow = (scores: HeadScores, m: number): number[] => scores.map((head) => head[m]!);
const gapRow = (scores: HeadScores, m: number): number[] => scores.map((head) => head[m]! - head[0]!);

// Scratch of one call: what every kind of head says of one model.
const level = new Float64Array(HEADS.length);
const gap = new Float64Array(HEADS.length);

/** What the router makes of its heads' scores for a request of the given job: the pooled blend, and the more of the job's own the more labels it has. */
export function expectFrom({ heads, levels, gaps, within }: Router, job: string, scores: HeadScores): Expectation {
  const share = within.length === 0 ? 0 : ownShare(labelsOf(heads.priors, job));
  const found = { quality: new Float64Array(heads.models), gap: new Float64Array(heads.models), scores };
  let baseline = 0;
  for (let m = 0; m < heads.models; m++) {
    for (let h = 0; h < scores.length; h++) {
      level[h] = scores[h]![m]!;
      gap[h] = scores[h]![m]! - scores[h]![0]!;
    }
    const pooled = { quality: readBlend(levels[m]!, level), gap: m === 0 ? 0 : readBlend(gaps[m]!, gap) };
    if (share === 0) {
      found.quality[m] = pooled.quality;
      found.gap[m] = pooled.gap;
      continue;
    }
    const own = readWithin(within[m]!, job, level);
    if (m === 0) baseline = own;
    found.quality[m] = (1 - share) * pooled.quality + share * Math.min(0.999, Math.max(0.001, own));
    found.gap[m] = m === 0 ? 0 : (1 - share) * pooled.gap + share * (own - baseline);
  }
  return found;
}

/** What the router expects of a request. */
export const expect = (router: Router, ask: Ask): Expectation => expectFrom(router, ask.job, askHeads(router.heads, ask));
