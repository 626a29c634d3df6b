/** What trying a lane with a rescue behind it costs in expectation and at most: p·c + (1 − p)·(c_rt + w·c). */
export function mendedCost(priceNano: bigint, rescueNano: bigint, waste: number, inTime: number): { expectedNano: bigint; worstNano: bigint } {
  const worstNano = rescueNano + share(priceNano, waste);
  return { worstNano, expectedNano: share(priceNano, inTime) + share(worstNano, 1 - inTime) };
}

/** A share of an amount, to a millionth. Only for expectations and bounds, never for a posting. */
export const share = (amount: bigint, part: number): bigint => (amount * BigInt(Math.round(part * 1e6))) / 1_000_000n;

/** The probability above which trying the cheap lane first pays: p* = w·c / (c_rt − c + w·c). */
export function leastChance(cheap: bigint, rt: bigint, waste: number): number {
  const lost = waste * Number(cheap);
  const gain = Number(rt - cheap) + lost;
  return gain <= 0 ? 1 : Math.min(1, lost / gain);
}
