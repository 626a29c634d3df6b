/**
 * One learned limit: so much in a window. Two rules keep it. The level refills evenly and holds an eighth of the limit at most, so that work
 * spreads over the window as providers enforce it, and a reply that says less is left lowers it. The slots remember what was let out, so that
 * never more than the limit leaves in any window, bursts counted in. Amounts are requests or tokens; instants are machine ms.
 */
export interface Meter {
  readonly limit: number;
  readonly windowMs: number;
  /** The most that may leave at once. */
  readonly burst: number;
  /** What could leave at `atMs`; below zero after something larger than the burst, or where others use the account. */
  readonly level: number;
  readonly atMs: number;
  /** What left, by sixteenths of the window, oldest first. */
  readonly slots: readonly { readonly slot: number; readonly sum: number }[];
  readonly heardAtMs: number;
}

/** What a reply said of a limit. */
export interface Said {
  readonly limit: number;
  /** `null` where it was not said. */
  readonly remaining: number | null;
  /** A limit a day instead of a minute: it is spent as it comes, not spread. */
  readonly daily: boolean;
}

/** What happened between a request and the reading of its reply. */
interface Since {
  /** Amount that left after that request: the reply cannot know of it. */
  readonly sent: number;
  /** Machine ms since that request left: the provider's own bucket has refilled meanwhile. */
  readonly ageMs: number;
}

const SLOTS = 16;
const BURST = 1 / 8;
const DAY_MINUTES = 1_440;
/** A limit that no reply has confirmed for so many windows is forgotten. */
const WINDOWS_KEPT = 10;
/** Sums of floats are compared with this much room. */
const EPSILON = 1e-6;

/** True when the meter was last confirmed so long ago that it holds nobody. */
export const isStale = (meter: Meter, nowMs: number): boolean => nowMs - meter.heardAtMs > meter.windowMs * WINDOWS_KEPT;

/** Takes over what a reply said. What others use of the account lowers the level at once; it rises by refilling alone. */
export function learn(known: Meter | undefined, said: Said, since: Since, minuteMs: number, nowMs: number): Meter {
  const { limit } = said;
  const windowMs = said.daily ? minuteMs * DAY_MINUTES : minuteMs;
  const burst = said.daily ? limit : Math.max(1, limit * BURST);
  const kept = known !== undefined && known.windowMs === windowMs && !isStale(known, nowMs) ? known : null;
  const remaining = said.remaining === null ? limit : Math.min(limit, Math.max(0, said.remaining));
  const left = Math.min(limit, remaining + (Math.max(0, since.ageMs) * limit) / windowMs) - since.sent;
  const level = Math.max(-limit, Math.min(burst, left, kept === null ? burst : levelAt(kept, nowMs)));
  return { limit, windowMs, burst, level, atMs: nowMs, slots: kept === null ? [] : live(kept, nowMs), heardAtMs: nowMs };
}

/** Machine ms until `amount` may leave, if nothing else does; 0 is now. More than the limit counts as the limit: it goes out alone. */
export function meterWaitMs(meter: Meter, amount: number, nowMs: number): number {
  if (amount <= 0) return 0;
  const asked = Math.min(amount, meter.limit);
  const short = Math.min(asked, meter.burst) - levelAt(meter, nowMs);
  const refill = short <= EPSILON ? 0 : Math.ceil((short * meter.windowMs) / meter.limit);
  const slots = live(meter, nowMs);
  let over = slots.reduce((sum, slot) => sum + slot.sum, 0) + asked - meter.limit;
  let freeAtMs = nowMs;
  for (const { slot, sum } of slots) {
    if (over <= EPSILON) break;
    over -= sum;
    freeAtMs = (slot + SLOTS + 1) * slotMs(meter);
  }
  return Math.max(refill, Math.ceil(freeAtMs - nowMs), 0);
}

/** Machine ms until all of `amount`, of many requests together, could have left at the refilling rate. */
export const throughputMs = (meter: Meter, amount: number, nowMs: number): number =>
  Math.max(0, Math.ceil(((amount - Math.max(0, levelAt(meter, nowMs))) * meter.windowMs) / meter.limit));

/** Lets `amount` out. */
export function spend(meter: Meter, amount: number, nowMs: number): Meter {
  if (amount <= 0) return meter;
  const taken = Math.min(amount, meter.limit);
  return { ...meter, level: levelAt(meter, nowMs) - taken, atMs: nowMs, slots: added(meter, taken, nowMs, nowMs) };
}

/** Corrects what left at `sentAtMs` by `difference` (actual less estimated). */
export function correct(meter: Meter, difference: number, sentAtMs: number, nowMs: number): Meter {
  const level = Math.max(-meter.limit, Math.min(meter.burst, levelAt(meter, nowMs) - difference));
  return { ...meter, level, atMs: nowMs, slots: added(meter, difference, sentAtMs, nowMs) };
}

const slotMs = (meter: Meter): number => meter.windowMs / SLOTS;

const levelAt = (meter: Meter, nowMs: number): number =>
  Math.min(meter.burst, meter.level + (Math.max(0, nowMs - meter.atMs) * meter.limit) / meter.windowMs);

/** Slots that may hold something of the last window. */
const live = (meter: Meter, nowMs: number): Meter["slots"] => {
  const oldest = Math.floor(nowMs / slotMs(meter)) - SLOTS;
  return meter.slots.filter(({ slot }) => slot >= oldest);
};

function added(meter: Meter, amount: number, atMs: number, nowMs: number): Meter["slots"] {
  const slot = Math.floor(atMs / slotMs(meter));
  const slots = live(meter, nowMs);
  const found = slots.find((one) => one.slot === slot);
  if (found !== undefined) return slots.map((one) => (one === found ? { slot, sum: Math.max(0, one.sum + amount) } : one));
  return amount > 0 && slot >= Math.floor(nowMs / slotMs(meter)) - SLOTS ? [...slots, { slot, sum: amount }].sort((a, b) => a.slot - b.slot) : slots;
}
