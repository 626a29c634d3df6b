/** How many labels a prior counts for against a job's own. */
export const PSEUDO_COUNT = 20;

/** Sums of every model's scores under one name. */
interface Tally {
  readonly sums: Float64Array;
  readonly count: number;
}

/** Mean scores by job, shrunk towards the mean of all. */
export interface Priors {
  readonly models: number;
  readonly all: Float64Array;
  readonly jobs: ReadonlyMap<string, Tally>;
}

/**
 * Tallies labels by job. `above` is what is known before any label of this tenant (the mean of all tenants' labels, say): the tenant's own mean is
 * drawn to it as by twenty labels, and each job's to the tenant's.
 */
export function learnPriors(jobs: readonly string[], scores: readonly ArrayLike<number>[], models: number, above?: Float64Array): Priors {
  const total = { sums: new Float64Array(models), count: 0 };
  const byJob = new Map<string, { sums: Float64Array; count: number }>();
  jobs.forEach((job, i) => {
    const tally = byJob.get(job) ?? { sums: new Float64Array(models), count: 0 };
    byJob.set(job, tally);
    for (const into of [tally, total]) {
      into.count++;
      for (let m = 0; m < models; m++) into.sums[m]! += scores[i]![m]!;
    }
  });
  const all = above === undefined ? total.sums.map((sum) => sum / Math.max(1, total.count)) : shrunk(total, above);
  return { models, all, jobs: byJob };
}

function shrunk({ sums, count }: Tally, towards: Float64Array): Float64Array {
  return sums.map((sum, m) => (sum + PSEUDO_COUNT * towards[m]!) / (count + PSEUDO_COUNT));
}

/** Every model's expected score for a job; the mean of all for a job that nobody has seen. */
export function priorOf(priors: Priors, job: string): Float64Array {
  const tally = priors.jobs.get(job);
  return tally === undefined ? priors.all : shrunk(tally, priors.all);
}

/** Labels that a job has had. */
export const labelsOf = (priors: Priors, job: string): number => priors.jobs.get(job)?.count ?? 0;
