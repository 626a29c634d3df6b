import highs, { type Highs } from "highs";
import { BUCKET_MS, type Group, SHARE } from "./bound.ts";

/** Loads the solver, a WebAssembly module of some megabytes. Its types describe the CommonJS build, hence the cast. */
export const loadSolver = (): Promise<Highs> => (highs as unknown as () => Promise<Highs>)();

/**
 * The clairvoyant bound as a linear programme: how much of each group's work the pool does in each bucket between arrival and deadline, to save the most;
 * what it does not do is paid at the group's cheapest other way. Per unit of work, real time being 1. A valid lower bound: work may be cut
 * anywhere, and a bucket's work may be done at its beginning. Throws when the solver finds no optimum.
 */
export function linearBound(solver: Highs, groups: readonly Group[], work: number, poolRate: number): number {
  const without = groups.reduce((sum, group) => sum + group.work * group.alt, 0);
  if (poolRate <= 0) return without / work;
  // In units of one bucket's capacity, so that the figures are near one.
  const unit = (poolRate * BUCKET_MS) / 1000;
  const rows: string[] = [];
  const goal: string[] = [];
  const buckets = new Map<number, string[]>();
  for (const [g, group] of groups.entries()) {
    const names: string[] = [];
    for (let bucket = group.bucket; bucket <= group.lastBucket; bucket++) {
      const name = `y${g}_${bucket}`;
      names.push(name);
      goal.push(`${(group.alt - SHARE.pool).toFixed(2)} ${name}`);
      const inBucket = buckets.get(bucket) ?? [];
      buckets.set(bucket, inBucket);
      inBucket.push(name);
    }
    rows.push(`g${g}: ${names.join(" + ")} <= ${(group.work / unit).toFixed(9)}`);
  }
  for (const [bucket, names] of buckets) rows.push(`b${bucket}: ${names.join(" + ")} <= 1`);
  const solution = solver.solve(`Maximize\n obj: ${goal.join("\n + ")}\nSubject To\n ${rows.join("\n ")}\nEnd\n`, { output_flag: false });
  if (solution.Status !== "Optimal") throw new Error(`the bound's programme ended ${solution.Status}`);
  return (without - solution.ObjectiveValue * unit) / work;
}
