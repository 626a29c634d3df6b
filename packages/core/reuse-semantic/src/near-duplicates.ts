import { guardReadings } from "./guard.ts";
import { readText } from "./read-text.ts";

/** A question of a batch with its vector, which has unit length. */
export interface BatchRow {
  readonly id: string;
  readonly text: string;
  readonly vector: ArrayLike<number>;
}

/** Questions that may share one answer. */
export interface Cluster {
  /** Runs first; the others wait for it and are then decided with its answer as a neighbour. */
  readonly representative: string;
  /** The others with their cosine to the representative, nearest first. */
  readonly members: readonly { readonly id: string; readonly similarity: number }[];
}

/**
 * Clusters of near-duplicates within a batch, largest first; questions that are alone are in none. A question joins the first representative that is at least `similarity` near
 * and that no guard keeps apart; so every member is near its representative, not merely near another member. At most `representativesMax` are compared with, the latest, so that the
 * work is bounded by their number times the rows.
 */
export function nearDuplicates(
  rows: readonly BatchRow[],
  options: { readonly similarity?: number; readonly representativesMax?: number } = {},
): Cluster[] {
  const least = options.similarity ?? 0.9;
  const most = options.representativesMax ?? 4_096;
  const clusters: { row: BatchRow; members: { id: string; similarity: number }[] }[] = [];
  for (const row of rows) {
    let best: { cluster: (typeof clusters)[number]; similarity: number } | null = null;
    for (const cluster of clusters.slice(-most)) {
      const similarity = cosine(row.vector, cluster.row.vector);
      if (similarity < least || (best !== null && similarity <= best.similarity)) continue;
      if (guardReadings(readText(row.text), readText(cluster.row.text)).length === 0) best = { cluster, similarity };
    }
    if (best === null) clusters.push({ row, members: [] });
    else best.cluster.members.push({ id: row.id, similarity: best.similarity });
  }
  return clusters
    .filter(({ members }) => members.length > 0)
    .map(({ row, members }) => ({ representative: row.id, members: members.sort((a, b) => b.similarity - a.similarity) }))
    .sort((a, b) => b.members.length - a.members.length);
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number);
  return sum;
}
