const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A limit that has not been confirmed for this long grows twofold in this time, so that a raised one is found again. */
const DOUBLING_MS = 2 * HOUR_MS;
/** Doublings after which a limit bounds nothing any more. */
const DOUBLINGS_MAX = 40;
/** The smallest published enqueued-token limit of a current model in OpenAI's first tier: what is risked at a time on an account that has shown nothing yet. */
export const FIRST_TOKENS = 1_500_000;

/** Below every published limit by far: a refusal of less tells that others fill the queue, and nothing of its size. */
const LEAST_TOKENS = 20_000;
/** Our estimates are hardly further off than this; so neither does a refusal of less than such a part of a named limit. */
const ESTIMATES_OFF = 8;

/** What refusals taught of the input tokens that an account may have enqueued for a model. */
export interface LearnedQuota {
  /** In tokens as we estimate them. */
  readonly limitTokens: number;
  /** The limit as the provider last named it; `null` where it never did. */
  readonly toldTokens: number | null;
  readonly learnedAtMs: number;
}

/** A batch that was refused because the quota was full. */
export interface QuotaRefusal {
  readonly toldTokens: number | null;
  /** What other batches of ours held of the quota. */
  readonly othersTokens: number;
  readonly batchTokens: number;
}

/**
 * The limit in force at an instant. One that the provider named holds for a day and then grows; one that was inferred grows from the start, up to what the
 * provider named within the day. A wrong guess so costs one refused batch every few hours and never the lane.
 */
export function limitNow(quota: LearnedQuota, nowMs: number): number {
  const ageMs = Math.max(0, nowMs - quota.learnedAtMs);
  const told = quota.toldTokens;
  const restMs = quota.limitTokens === told ? DAY_MS : 0;
  const grown = quota.limitTokens * 2 ** Math.min(DOUBLINGS_MAX, Math.max(0, ageMs - restMs) / DOUBLING_MS);
  return Math.floor(told !== null && ageMs < DAY_MS ? Math.min(grown, Math.max(told, quota.limitTokens)) : grown);
}

/**
 * What a refusal teaches. A named limit is taken where it explains the refusal. Where it does not (others use the account, our estimates are low) or
 * none is named, what was taken beside the refused batch is known to fit; where nothing was, half of the batch is tried next. Less than any limit is
 * never inferred: then the same batch would fit, and has to wait until the others' work has gone.
 */
export function learnQuota(known: LearnedQuota | null, refusal: QuotaRefusal, nowMs: number): LearnedQuota {
  const { toldTokens: told, othersTokens, batchTokens } = refusal;
  if (told !== null && othersTokens + batchTokens > told) return { limitTokens: told, toldTokens: told, learnedAtMs: nowMs };
  const least = Math.min(othersTokens + batchTokens, told === null ? LEAST_TOKENS : told / ESTIMATES_OFF);
  const fits = Math.max(othersTokens > 0 ? othersTokens : Math.floor(batchTokens / 2), Math.floor(least));
  const before = known === null ? Number.POSITIVE_INFINITY : limitNow(known, nowMs);
  return {
    limitTokens: Math.max(1, Math.min(fits, before, told ?? before)),
    toldTokens: told ?? known?.toldTokens ?? null,
    learnedAtMs: nowMs,
  };
}

/**
 * What may be enqueued on an account that never refused: as much again as has passed the provider's validation, and a first amount that every account may
 * have. So a large bulk goes out in a few doubling steps, and a limit that nobody knows refuses few batches instead of all.
 */
export const unprovenLimit = (provenTokens: number): number => provenTokens + Math.max(FIRST_TOKENS, provenTokens);
