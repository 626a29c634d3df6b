/** Work done per second of working time, as an average that forgets. */
export interface Rate {
  add(amount: number, workedMs: number): void;
  /** 0 before the first `add`. */
  perSecond(): number;
}

/** An exponentially weighted average over working time: what was done `halfLifeMs` of work ago counts half. */
export function createRate(halfLifeMs: number): Rate {
  let amountSum = 0;
  let workedSum = 0;
  return {
    add: (amount, workedMs) => {
      const keep = 0.5 ** (workedMs / halfLifeMs);
      amountSum = amountSum * keep + amount;
      workedSum = workedSum * keep + workedMs;
    },
    perSecond: () => (workedSum > 0 ? (1_000 * amountSum) / workedSum : 0),
  };
}
