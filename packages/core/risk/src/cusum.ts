import { assert } from "@slowboat/kernel";

/** A watch on a stream of losses; plain data. */
export interface Cusum {
  /** Log of the evidence that the mean loss has gone above the target since some moment; never below 0. */
  readonly evidence: number;
  /** Losses watched since it was opened. */
  readonly seen: number;
  /** Stays true once the evidence has reached the limit. */
  readonly alarmed: boolean;
}

/** What counts as drift. */
export interface CusumPolicy {
  /** The mean loss that is allowed. */
  readonly target: number;
  /** The largest loss that is expected often, weight included: losses of this size double the evidence. */
  readonly unit: number;
  /** A false alarm comes on average after at least this many losses. */
  readonly falseAlarmAfter: number;
}

/** A watch that has seen nothing. */
export const openCusum = (): Cusum => ({ evidence: 0, seen: 0, alarmed: false });

/**
 * Takes in one loss, which may be weighted by one over its propensity (0 where nothing was lost). Each loss is a bet against "the mean is at most the
 * target" that pays `1 + (loss - target)/unit`, fair or unfavourable while that holds; the evidence is the running product, begun anew whenever it falls
 * below 1 (an e-detector: Shin, Ramdas, Rinaldo 2022). So false alarms are as rare as promised whatever the losses' distribution.
 */
export function watch(cusum: Cusum, loss: number, policy: CusumPolicy): Cusum {
  assert(loss >= 0 && policy.target >= 0 && policy.unit > policy.target, "losses are not negative and the unit is larger than the target");
  const evidence = Math.max(0, cusum.evidence + Math.log1p((loss - policy.target) / policy.unit));
  return { evidence, seen: cusum.seen + 1, alarmed: cusum.alarmed || evidence >= Math.log(policy.falseAlarmAfter) };
}
