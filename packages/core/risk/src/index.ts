/**
 * Risk: how far a decision that may be wrong can be trusted, from labels that cost something. A threshold whose expected loss stays within what was
 * allowed (conformal risk control), dice that keep a logged chance of learning, estimates of what was saved with their interval, and a detector
 * that tells when the world has moved. The cache and the router lean on it alike.
 */
export { type Calibration, conformalThreshold, effectiveSize, type LossSample } from "./conformal-threshold.ts";
export { type Cusum, type CusumPolicy, openCusum, watch } from "./cusum.ts";
export { type Estimate, ipsEstimate, type Logged, pairedEstimate, shareInterval } from "./estimate.ts";
export { shouldExplore } from "./explore.ts";
