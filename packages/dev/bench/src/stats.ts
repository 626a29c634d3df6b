/** The value that a share `p` (0 to 1) of the samples does not exceed, by the nearest rank. Throws without samples. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = Float64Array.from(samples).sort();
  const value = sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)];
  if (value === undefined) throw new Error("no samples");
  return value;
}

/** The middle sample; of an even number the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const sorted = Float64Array.from(samples).sort();
  const high = sorted[sorted.length >> 1];
  const low = sorted[(sorted.length - 1) >> 1];
  if (high === undefined || low === undefined) throw new Error("no samples");
  return (high + low) / 2;
}

/** Rounded for people and JSON: `digits` behind the point. */
export const rounded = (value: number, digits = 0): number => Number(value.toFixed(digits));
