import type { Rng } from "@slowboat/kernel";
import { shouldExplore } from "@slowboat/risk";
import { thresholdOf } from "./decide.ts";
import { POLICY } from "./policy.ts";
import type { ReuseState } from "./state.ts";
import type { ReuseDecision } from "./types.ts";

/** How a judge's word is taken: its answer is given, or asked anew to learn what the judge is worth. */
export type Judged = Pick<ReuseDecision, "kind" | "propensity">;

/**
 * Share of all requests whose score falls into the gray zone, 0 to 1: between what `allowedError` demands and what four times as much would. Out of the labels, an
 * explored one counting for those that it stands for. It is counted without the threshold of near copies, which only makes the zone smaller.
 */
export function grayShare(state: ReuseState, allowedError: number): number {
  const [above, below] = [thresholdOf(state, allowedError, false), thresholdOf(state, Math.min(0.5, POLICY.grayFactor * allowedError), false)];
  let [gray, all] = [0, 0];
  for (const { score, weight } of state.fit.samples) {
    all += weight;
    if (score > below && score <= above) gray += weight;
  }
  return all === 0 ? 1 : gray / all;
}

/** The share of wrong ones among a judge's yes that may be borne: what is kept back for the judge, spread over the gray zone. At most a half. */
const borne = (state: ReuseState, allowedError: number): number =>
  Math.min(0.5, (POLICY.judgeReserve * allowedError) / Math.max(1e-6, grayShare(state, allowedError)));

/** What share of the judge's yes is expected to be wrong: as seen, with one right and one wrong before any was. */
const wrongShare = ({ judge }: ReuseState): number => (judge.wrong + 1) / (judge.looked + 2);

/** Whether it is worth to ask a judge: not any more where more than a few of its yes were wrong, and twice the share that may be borne. */
export const judgeMayHelp = (state: ReuseState, allowedError: number): boolean =>
  state.judge.wrong < POLICY.judgeWrongs || state.judge.wrong <= 2 * borne(state, allowedError) * state.judge.looked;

/**
 * What a judge's yes comes to. Until its record bears it, every one is asked anew; afterwards a tenth, so that the record stays true. One throw of the dice at most.
 */
export function takeVerdict(state: ReuseState, allowedError: number, rng: Rng): Judged {
  if (wrongShare(state) > borne(state, allowedError)) return { kind: "explore", propensity: 1 };
  return shouldExplore(rng, POLICY.judgeExplore)
    ? { kind: "explore", propensity: POLICY.judgeExplore }
    : { kind: "reuse", propensity: 1 - POLICY.judgeExplore };
}

/** Takes in whether a judge's yes was right, where it was looked at. Old looks fade: at `judgeWindow` all count half. */
export function learnVerdict(state: ReuseState, right: boolean): ReuseState {
  const { looked, wrong } = state.judge;
  const fade = looked >= POLICY.judgeWindow ? 0.5 : 1;
  return { ...state, judge: { looked: looked * fade + 1, wrong: wrong * fade + (right ? 0 : 1) } };
}
