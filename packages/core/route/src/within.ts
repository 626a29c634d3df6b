/**
 * What tells requests of one job apart. Pooled over all traffic the heads mostly learn which job is hard; of a job with many labels that is known
 * better from its own mean, and what is left for the text to say is how a request differs from the job's others.
 */
export interface Within {
  /** Mean of what every kind of head says, by job; the first kind is the job's prior itself. */
  readonly usual: ReadonlyMap<string, Float64Array>;
  readonly anywhere: Float64Array;
  /** Weight of a head's difference from what is usual of the job. */
  readonly weights: Float64Array;
}

/** Labels at which a job's own mean and the pooled blend count alike. */
const HALF = 100;
/** Rows that the given weights count for against what is learned. */
const PULL = 1_000;
const SWEEPS = 40;

/** How far a job with so many labels is judged by itself, 0 to 1. */
export const ownShare = (labels: number): number => labels / (labels + HALF);

/** Learns, for one model, how much each kind of head's difference within a job counts. `rows[i][h]` is what head `h`, untrained on row `i`, says; head 0 is the prior. */
export function learnWithin(
  jobs: readonly string[],
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  weights: readonly number[],
): Within {
  const heads = weights.length;
  const tallies = new Map<string, { sums: Float64Array; count: number }>();
  const anywhere = new Float64Array(heads);
  rows.forEach((row, i) => {
    const tally = tallies.get(jobs[i]!) ?? { sums: new Float64Array(heads), count: 0 };
    tallies.set(jobs[i]!, tally);
    tally.count++;
    for (let h = 0; h < heads; h++) {
      tally.sums[h]! += row[h]!;
      anywhere[h]! += row[h]! / rows.length;
    }
  });
  const usual = new Map([...tallies].map(([job, { sums, count }]) => [job, sums.map((sum, h) => (sum + anywhere[h]!) / (count + 1))]));
  const differences = rows.map((row, i) => row.map((value, h) => value - usual.get(jobs[i]!)![h]!));
  const rest = rows.map((row, i) => targets[i]! - row[0]!);
  return { usual, anywhere, weights: stack(differences, rest, weights) };
}

/** What a model's expected score is, judged by the job itself and the differences within it. */
export function readWithin({ usual, anywhere, weights }: Within, job: string, row: ArrayLike<number>): number {
  const known = usual.get(job) ?? anywhere;
  let sum = row[0]!;
  for (let h = 1; h < weights.length; h++) sum += weights[h]! * (row[h]! - known[h]!);
  return sum;
}

/** Least squares with weights that are never negative, drawn to the given ones (scaled as fits best) as by `PULL` rows; coordinate descent. */
function stack(differences: readonly (readonly number[])[], rest: readonly number[], weights: readonly number[]): Float64Array {
  const heads = weights.length;
  const n = Math.max(1, rest.length);
  const mean = rest.reduce((sum, value) => sum + value, 0) / n;
  const scales = weights.map((_, h) => Math.sqrt(differences.reduce((sum, row) => sum + row[h]! ** 2, 0) / n));
  const gram = new Float64Array(heads * heads);
  const right = new Float64Array(heads);
  differences.forEach((row, i) => {
    for (let a = 1; a < heads; a++) {
      if (scales[a]! < 1e-9) continue;
      const value = row[a]! / scales[a]!;
      right[a]! += value * (rest[i]! - mean);
      for (let b = 1; b < heads; b++) if (scales[b]! >= 1e-9) gram[a * heads + b]! += (value * row[b]!) / scales[b]!;
    }
  });
  let along = 0;
  let square = 1e-9;
  for (let a = 1; a < heads; a++) {
    along += weights[a]! * right[a]!;
    for (let b = 1; b < heads; b++) square += weights[a]! * weights[b]! * gram[a * heads + b]!;
  }
  const towards = weights.map((weight) => (weight * Math.max(0, along)) / square);
  const found = Float64Array.from(towards);
  for (let sweep = 0; sweep < SWEEPS; sweep++)
    for (let a = 1; a < heads; a++) {
      if (scales[a]! < 1e-9) continue;
      let gradient = right[a]! + PULL * towards[a]!;
      for (let b = 1; b < heads; b++) if (b !== a) gradient -= gram[a * heads + b]! * found[b]!;
      found[a] = Math.max(0, gradient / (gram[a * heads + a]! + PULL));
    }
  return found.map((weight, h) => (h === 0 || scales[h]! < 1e-9 ? 0 : weight / scales[h]!));
}
