import { readWeights, type Store } from "@slowboat/store";

/** How long a weight is taken for what it was (machine ms). */
const KEPT_MS = 10_000;

/**
 * The weights of tenants for their fair shares, as a function that never waits: what it knows is at most ten seconds old while it is asked, and 1 for whoever has
 * none. A look that fails keeps what is known.
 */
export function tenantWeights(store: Store, realMs: () => number): (tenant: string) => number {
  let known: ReadonlyMap<string, number> = new Map();
  let readAtMs = Number.NEGATIVE_INFINITY;
  return (tenant) => {
    const nowMs = realMs();
    if (nowMs - readAtMs > KEPT_MS) {
      readAtMs = nowMs;
      readWeights(store.sql).then(
        (weights) => {
          known = weights;
        },
        () => undefined,
      );
    }
    return known.get(tenant) ?? 1;
  };
}
