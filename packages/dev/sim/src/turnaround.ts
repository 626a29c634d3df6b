import type { LaneId } from "@slowboat/contract";
import type { Dice } from "./dice.ts";
import { LANES, type Luck, type WorldSpec, within } from "./spec.ts";

/** Batches that reach a lane within the same half minute find the same queue there. */
export const SLOT_MS = 30_000;
export const EXPIRY_MS = 86_400_000;

const FAST = { medianMs: 6.1 * 60_000, sigma: 1.2 };
const SLOW = { medianMs: 240 * 60_000, sigma: 1.0 };
const STALLED = { medianMs: 480 * 60_000, sigma: 0.8 };

/**
 * What a batch takes that is sent to a lane at an instant: the published mixture of a fast crowd, a slow tail and a hundredth that only expires; in an
 * incident a median of eight hours, and three in ten expire. Infinite where it expires, with `part` of its lines done by then.
 */
export function turnaround(
  spec: Pick<WorldSpec, "startMs" | "incidents" | "turnaround">,
  dice: Dice,
  lane: LaneId,
  atMs: number,
  lines: number,
): Luck {
  if (spec.turnaround !== undefined) return spec.turnaround(lane, atMs, lines);
  const no = LANES.indexOf(lane);
  const slot = Math.floor((atMs - spec.startMs) / SLOT_MS);
  const kind = dice.unit("kind", no, slot);
  const part = dice.unit("part", no, slot);
  const size = 1 + 0.15 * Math.log10(Math.max(1, lines));
  const incident = spec.incidents.some((span) => span.lane === lane && within([span], atMs));
  if (incident)
    return kind < 0.3
      ? { tookMs: Number.POSITIVE_INFINITY, part: part * 0.5 }
      : { tookMs: size * dice.logNormal("turnaround", STALLED, no, slot), part: 0.5 };
  if (kind < 0.01) return { tookMs: Number.POSITIVE_INFINITY, part: part * 0.3 };
  return { tookMs: size * dice.logNormal("turnaround", kind < 0.09 ? SLOW : FAST, no, slot), part: 0.5 };
}
