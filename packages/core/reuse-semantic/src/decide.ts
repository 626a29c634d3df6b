import type { Rng } from "@slowboat/kernel";
import { conformalThreshold, shouldExplore } from "@slowboat/risk";
import { areCopies, type Evidence, weigh } from "./features.ts";
import { HARD_VETOES, VETOES, type Veto } from "./guard.ts";
import { digestOf, isQuarantined } from "./misuse.ts";
import { POLICY } from "./policy.ts";
import type { Fit, ReuseState } from "./state.ts";
import type { ReuseAsk, ReuseDecision } from "./types.ts";
import { believe } from "./verifier.ts";

/** A threshold that no score is above. */
const NEVER = 2;

/**
 * Whether to hand out a stored answer. The nearest entries elect one; vetoes may forbid it; its score must be above the threshold that conformal risk control sets for
 * `allowedError` on what this namespace has learned; and some of what passes is asked anew, more of it close to the threshold. Throws the dice at most once.
 */
export function decideReuse(state: ReuseState, ask: ReuseAsk, rng: Rng): ReuseDecision {
  const evidence = weigh(ask);
  const threshold = thresholdOf(state, ask.allowedError, evidence !== null && areCopies(evidence.x));
  const none = { id: null, candidate: null, score: 0, threshold, propensity: 1, gray: false } as const;
  if (evidence === null) return { ...none, kind: "miss", reasons: ["nothing was asked before"] };
  const candidate = evidence.candidate.id;
  const score = believe(state.fit.weights, evidence.x);
  const against = reasonsAgainst(state, ask, evidence);
  const found = { ...none, candidate, score };
  if (against.length > 0) return { ...found, kind: "miss", reasons: against };
  if (score <= threshold) {
    const gray = threshold < NEVER && score > thresholdOf(state, Math.min(0.5, POLICY.grayFactor * ask.allowedError), areCopies(evidence.x));
    return { ...found, kind: "miss", gray, reasons: [threshold === NEVER ? exactOnly(state) : "the score is not above the threshold"] };
  }
  const epsilon = explorationOf(ask.allowedError, score, threshold);
  const reasons = [`similarity ${evidence.candidate.similarity.toFixed(3)}`, `score ${score.toFixed(3)} above ${threshold.toFixed(3)}`];
  return shouldExplore(rng, epsilon)
    ? { ...found, kind: "explore", id: candidate, propensity: epsilon, reasons: [...reasons, "asked anew to learn"] }
    : { ...found, kind: "reuse", id: candidate, propensity: 1 - epsilon, reasons };
}

/**
 * The chance of asking a would-be hit anew: the less is allowed to be wrong, the more must be looked at to know; and among hits it falls with the root of the doubt
 * (one less the score), which is how a given number of labels tells most about a sum of rare losses (Neyman 1934). So the losses at the threshold, the likeliest,
 * come with small weights, and no single throw of the dice moves the threshold far.
 */
function explorationOf(allowedError: number, score: number, threshold: number): number {
  const atThreshold = Math.min(POLICY.exploreMax, POLICY.explore * Math.sqrt(0.01 / allowedError));
  return Math.max(POLICY.exploreMin, atThreshold * Math.sqrt((1 - score) / (1 - threshold)));
}

const exactOnly = (state: ReuseState): string =>
  state.driftedAtMs === null ? "too few labels: exact repetition only" : "the traffic has changed: exact repetition only until enough is learned";

/** The bits of the vetoes. */
export const bitsOf = (vetoes: readonly Veto[]): number => vetoes.reduce((bits, veto) => bits | (1 << VETOES.indexOf(veto)), 0);
/** Whether a veto stands that has not given way. */
export const stands = (bits: number, released: number): boolean => (bits & ~released) !== 0;
/** Vetoes that may never give way. */
export const HARD_BITS: number = (1 << HARD_VETOES) - 1;

function reasonsAgainst(state: ReuseState, ask: ReuseAsk, { candidate, vetoes }: Evidence): string[] {
  const reasons: string[] = vetoes.filter((veto) => stands(bitsOf([veto]), state.fit.released));
  if (state.blacklist.length > 0 && state.blacklist.includes(digestOf(ask.text, candidate.text))) reasons.push("this pair was told to be wrong");
  if (isQuarantined(state, candidate.id)) reasons.push("too many unlike questions meet this entry");
  return reasons;
}

const thresholds = new WeakMap<Fit, Map<string, number>>();

/** The threshold for an allowed error, 2 when nothing may be reused. Worked out once for each fit. */
export function thresholdOf({ fit, raised }: ReuseState, allowedError: number, copies: boolean): number {
  const known = thresholds.get(fit) ?? new Map<string, number>();
  thresholds.set(fit, known);
  const key = `${allowedError}${copies ? " of copies" : ""}`;
  let threshold = known.get(key);
  if (threshold === undefined) {
    const found =
      fit.samples.length < POLICY.labelsMin
        ? Number.POSITIVE_INFINITY
        : Math.max(boundedThreshold(fit, allowedError * (1 - POLICY.reserve)), copies ? copiesThreshold(fit) : Number.NEGATIVE_INFINITY);
    threshold = Math.min(NEVER, Math.max(0, found));
    known.set(key, threshold);
  }
  return threshold >= 1 ? NEVER : threshold + raised * (1 - threshold);
}

/**
 * The stricter of two thresholds under conformal risk control: on the losses that labels showed, and on those that the verifier expects. The first trusts no model,
 * but of would-be hits few are looked at, and while by chance no wrong one was, it stays loose: a namespace would answer too much before it has seen its errors.
 * What the verifier expects, each label scored without itself, hardly varies, but is only as good as the verifier.
 */
function boundedThreshold({ samples }: Fit, allowed: number): number {
  const expected = samples.map(({ score, weight }) => ({ score, loss: Math.min(1, 1 - score), weight }));
  return Math.max(conformalThreshold(samples, allowed).threshold, conformalThreshold(expected, allowed).threshold);
}

/**
 * The threshold that keeps apart most near copies which must be: the allowed error is a share of all requests, and where few requests are traps it would let most of
 * them pass. Sets no bound while too few of them were seen.
 */
function copiesThreshold({ samples }: Fit): number {
  const apart = samples.filter(({ copy, loss }) => copy && loss > 0);
  const { threshold } = conformalThreshold(apart, POLICY.copies);
  return threshold === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : threshold;
}
