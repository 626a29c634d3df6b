/** A row near a query. */
export interface Near {
  readonly id: number;
  /** Cosine, of the vectors' codes. */
  readonly similarity: number;
}

/** Keeps the best `k` of what it is offered. */
export interface Nearest {
  offer(id: number, similarity: number): void;
  /** Best first; equal ones by id, so that the answer does not depend on the order of the rows. */
  taken(): Near[];
}

export function nearest(k: number): Nearest {
  const ids = new Float64Array(k);
  const scores = new Float32Array(k).fill(Number.NEGATIVE_INFINITY);
  let count = 0;
  return {
    offer: (id, similarity) => {
      if (count === k && similarity <= (scores[k - 1] as number)) return;
      let at = Math.min(count, k - 1);
      while (at > 0 && (scores[at - 1] as number) < similarity) {
        scores[at] = scores[at - 1] as number;
        ids[at] = ids[at - 1] as number;
        at--;
      }
      scores[at] = similarity;
      ids[at] = id;
      if (count < k) count++;
    },
    taken: () =>
      Array.from({ length: count }, (_, i) => ({ id: ids[i] as number, similarity: scores[i] as number })).sort(
        (a, b) => b.similarity - a.similarity || a.id - b.id,
      ),
  };
}
