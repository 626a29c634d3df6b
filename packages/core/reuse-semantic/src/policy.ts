/** The numbers of the policy: one for every namespace, tenant and bench. */
export const POLICY = {
  /** Labels kept; older ones are forgotten. */
  window: 5_000,
  /** Fewer labels than this set no threshold, however large the allowed error. */
  labelsMin: 200,
  /** Share of the allowed error that is kept back: a judge's wrong yes may use it up. */
  reserve: 0.15,
  /** Two questions that share so much of their words are near copies of each other: where one word makes another question of it, likeness says little. */
  copyWords: 0.35,
  /** Of the near copies that must not be answered alike, at most this share may be, whatever error is allowed. */
  copies: 0.01,
  /** Fitted anew when the labels since the last time are this share of those kept, and at least `refitMin`. */
  refitShare: 0.1,
  refitMin: 15,
  refitMax: 250,
  /** Pull of the verifier to its prior weights. */
  pull: 2,
  /**
   * Chance that a would-be hit is asked anew whose score lies at the threshold, when 1 % may be wrong; it grows with one over the root of what may be, to `exploreMax`.
   * Surer hits are asked anew less often, never less than `exploreMin`.
   */
  explore: 0.14,
  exploreMin: 0.03,
  exploreMax: 0.2,
  /** A label's weight in the fit; in the threshold it is unbounded. */
  fitWeightMax: 4,
  /** A soft veto gives way when this many labels in its despite were seen, and this share of them right. */
  releaseLabels: 40,
  releaseShare: 0.5,
  /** Evidence of drift: a false alarm comes on average after this many labels. */
  falseAlarmAfter: 10_000,
  driftUnit: 10,
  /** Pairs told to be wrong that are remembered. */
  blacklist: 1_000,
  /** A complaint takes away this share of what lies above the threshold; each fit gives half of it back. */
  complaint: 0.25,
  /** A miss is gray when it would be a hit with this many times the allowed error. */
  grayFactor: 4,
  /** Part of the allowed error that what a judge lets through may use up. It is what `reserve` keeps back. */
  judgeReserve: 0.15,
  /** Share of a trusted judge's yes that is asked anew. */
  judgeExplore: 0.1,
  /** Fewer wrong yes than this are chance; and looks after which old ones fade. */
  judgeWrongs: 3,
  judgeWindow: 400,
} as const;
