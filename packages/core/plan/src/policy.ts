/**
 * The numbers of the scheduling policy, in job-time ms unless the name says otherwise. Sources: the providers' documented
 * limits for lags, the published prior for tails; the rest are choices that the simulator ranks.
 */
export const POLICY = {
  /** How long a cancelled batch may take until its finished lines are in hand. OpenAI documents up to 10 minutes, and others are taken for no quicker; Anthropic ends in well under 5. */
  cancelLagMs: 600_000,
  anthropicCancelLagMs: 300_000,
  /** Share of the cheap price lost when a rescue follows: finished lines come back after a cancel, none after a blind hedge. */
  wasteCancelled: 0.05,
  wasteHedged: 1,
  /** Flex refuses uncharged, the pool drops queued work for nothing: what is lost there is a call caught in the middle. */
  wasteCall: 0.1,
  /** How often a job may be taken back from a batch that is out, to be sent again. */
  recalls: 4,
  /** Lines of a batch that must be done before its progress says more than its age does. */
  progressLines: 5,
  /** How much the rest of a batch may differ from the pace of what is done. */
  progressSigma: 0.5,
  /** What sending a slow batch's lines again must save, as a share of what keeping it is expected to cost. */
  restartGain: 0.02,
  guardMinMs: 10_000,
  guardSlackShare: 0.01,
  pollMs: 30_000,
  /** Machine ms that one call costs besides the provider's latency; grows with the time scale. */
  callOverheadRealMs: 20,
  /** How much longer than the typical measured call a slow one takes. */
  slowCall: 2,
  ticksOfGuard: 2,
  /** Below this slack a rescue counts on the 99.9th percentile of a real-time answer in place of the 99th. */
  shortSlackMs: 900_000,
  /** A lane that no rescue backs needs at least this probability to be in time. */
  unrescuedInTime: 0.9,
  /** Where real time could still make it alone, a lane without a rescue must be as sure as real time's own tail. */
  unrescuedBesideRealtime: 0.99,
  /** A real-time start is admitted while it is more likely in time than not. */
  admitInTime: 0.5,
  /** A real-time line of this length (ms) is a burst: what waits elsewhere and counts on it is looked at. */
  burstMs: 4_000,
  /** Where no lane is sure of a deadline, one that makes it with at least this chance is taken before the one that is merely done soonest. */
  worthTrying: 0.2,
  /** Among those, real time is taken unless another lane's chance to miss is this share of its own: nobody shall miss what real time would have made. */
  realtimeFavour: 0.5,
  /** Lanes whose expected costs differ by less are equal, and the one that spends least real-time capacity is taken. */
  equalCost: 0.05,
  equalInTime: 0.9,
  /** Waiting time at which the pool's bid price reaches the whole saving. */
  poolBidRefMs: 300_000,
  poolSigma: 0.35,
  /** Work stands in the pool's line where its turn comes at least this likely while its next lane, or its rescue, can wait: what leaves it unserved comes late to a burst. */
  poolTurn: 0.5,
  /** The slack that flex needs for some refusals and a slow answer. */
  flexRoomMs: 1_200_000,
  /** The share of its slack that a job may wait before it is sent in a batch: the rest is for batches that are slow. */
  batchPatience: 0.33,
  /** Capacity refusals of flex by day; the night's are fewer. */
  flexRefusal: 0.35,
  flexTries: 6,
  laneTries: 4,
  /** Of the real-time time until a deadline, the share that promised rescues may be expected to take, and how many standard deviations count as expected. */
  promiseShare: 0.8,
  promiseSigmas: 3,
  /** The most likely a guaranteed, and a likely, piece of work may be late. */
  guaranteedMiss: 0.01,
  likelyMiss: 0.1,
  /** Refusals in real time after which a job that names other models goes on to the next: one may be chance, two are an answer. */
  chainTries: 2,
} as const satisfies Record<string, number>;

/** The values of a policy by name. */
export type Policy = { readonly [Name in keyof typeof POLICY]: number };

/** The policy that decisions with this snapshot follow. */
export const policyOf = (snapshot: { readonly policy?: Policy | undefined }): Policy => snapshot.policy ?? POLICY;

/** Reads a policy from parsed JSON, an object of values by name; what it does not name keeps its default. Otherwise says what is wrong with it. */
export function readPolicy(json: unknown): { readonly policy: Policy } | { readonly problem: string } {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    return { problem: 'a policy is a JSON object of numbers by name, such as {"batchPatience": 0.25}' };
  const unknown = Object.keys(json).filter((name) => !Object.hasOwn(POLICY, name));
  if (unknown.length > 0)
    return {
      problem: `there is no policy value ${unknown.map((name) => `'${name}'`).join(", ")}; there are ${Object.keys(POLICY).sort().join(", ")}`,
    };
  for (const [name, value] of Object.entries(json))
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return { problem: `'${name}' must be a number from 0` };
  return { policy: { ...POLICY, ...json } };
}
