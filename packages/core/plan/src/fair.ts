/** What a tenant has been served of a scarce resource, weighed by its share, and whether it has work waiting. */
interface Share {
  served: number;
  waiting: boolean;
}

/**
 * Who is next at a scarce resource: the virtual token counter of Sheng et al. (OSDI 2024). Counters only; the work itself lies with the caller.
 * Of two tenants that both have work waiting, neither is served more than the other by over twice the largest job.
 */
export interface FairShares {
  /**
   * A tenant's first waiting job arrived: it starts level with the least served of those that wait, so that no credit is banked. Where none waits, and `carries` was
   * asked for, it starts level with whoever was served last.
   */
  wake(tenant: string): void;
  /** Its last waiting job is gone. */
  rest(tenant: string): void;
  /** The waiting tenant that was served least; `null` when none waits. */
  next(): string | null;
  /** `work` was begun for a tenant, also out of turn: whoever jumps the queue pays for it later. Less than nothing corrects an estimate. */
  charge(tenant: string, work: number): void;
  /** What a tenant has been served, over its weight; what is served next begins there. */
  served(tenant: string): number;
}

/**
 * Counters for tenants of equal shares, or of those given by `weight`. `carries`: an empty line does not wipe out what was served before it, as suits a line that
 * is empty again and again; the bound then holds for those who have waited together since.
 */
export function createFairShares(weight: (tenant: string) => number = () => 1, carries = false): FairShares {
  const shares = new Map<string, Share>();
  let level = 0;
  const of = (tenant: string): Share => {
    const known = shares.get(tenant) ?? { served: 0, waiting: false };
    shares.set(tenant, known);
    return known;
  };
  const least = (): [string, Share] | null => {
    let best: [string, Share] | null = null;
    for (const entry of shares) if (entry[1].waiting && (best === null || entry[1].served < best[1].served)) best = entry;
    return best;
  };
  return {
    wake(tenant) {
      const share = of(tenant);
      if (share.waiting) return;
      share.served = Math.max(share.served, least()?.[1].served ?? level);
      share.waiting = true;
    },
    rest(tenant) {
      of(tenant).waiting = false;
    },
    next: () => least()?.[0] ?? null,
    charge(tenant, work) {
      const share = of(tenant);
      share.served += work / weight(tenant);
      if (carries) level = share.served;
    },
    served: (tenant) => of(tenant).served,
  };
}
