import { fault } from "@slowboat/kernel";

/**
 * A way in which a job can be answered: `cache` (a decision without an adapter), `pool`, or a provider's name alone (real time) or with
 * `-batch` or `-flex` behind it. Providers beyond the two built-in ones come from the operator's configuration.
 */
export type LaneId = string;

/** The lanes that need no configuration beyond a key. */
export const LANE_IDS = ["cache", "pool", "openai-batch", "anthropic-batch", "openai-flex", "openai", "anthropic"] as const;

/** What a caller names in `allow` and `deny`: a class, or one lane. */
export type LaneClass = "cache" | "pool" | "batch" | "flex" | "realtime";

const CLASSES: readonly LaneClass[] = ["cache", "pool", "batch", "flex", "realtime"];

export const laneClass = (lane: LaneId): LaneClass => {
  if (lane === "cache" || lane === "pool") return lane;
  if (lane.endsWith("-batch")) return "batch";
  return lane.endsWith("-flex") ? "flex" : "realtime";
};

/** Who answers on a lane: the name without what follows the hyphen, since a provider's name has none. */
export const laneProvider = (lane: LaneId): string => lane.replace(/-(?:batch|flex)$/, "");

/** Turns caller's words (classes or lane ids) into lane ids of `known`; an unknown word is a fault that lists the known ones. */
export function expandLanes(words: readonly string[], param: string, known: readonly LaneId[] = LANE_IDS): LaneId[] {
  const all = [...new Set<LaneId>([...LANE_IDS, ...known])];
  const lanes = new Set<LaneId>();
  for (const word of words) {
    const matched = all.filter((lane) => lane === word || laneClass(lane) === word);
    if (matched.length === 0) {
      throw fault("invalid-request", {
        param,
        message: `'${word.slice(0, 64)}' is not a lane; known: ${[...new Set([...CLASSES, ...all])].join(", ")}.`,
      });
    }
    for (const lane of matched) lanes.add(lane);
  }
  return [...lanes];
}
