import { fault } from "@slowboat/kernel";

/** Every way a job can be answered. `cache` is a decision without an adapter; `openai-flex` is a tier of the OpenAI lane. */
export const LANE_IDS = ["cache", "pool", "openai-batch", "anthropic-batch", "openai-flex", "openai", "anthropic"] as const;

export type LaneId = (typeof LANE_IDS)[number];

/** What a caller names in `allow` and `deny`: a class, or one lane. */
export type LaneClass = "cache" | "pool" | "batch" | "flex" | "realtime";

const CLASS_OF: Record<LaneId, LaneClass> = {
  cache: "cache",
  pool: "pool",
  "openai-batch": "batch",
  "anthropic-batch": "batch",
  "openai-flex": "flex",
  openai: "realtime",
  anthropic: "realtime",
};

export const laneClass = (lane: LaneId): LaneClass => CLASS_OF[lane];

/** Turns caller's words (classes or lane ids) into lane ids; an unknown word is a fault that lists the known ones. */
export function expandLanes(words: readonly string[], param: string): LaneId[] {
  const lanes = new Set<LaneId>();
  for (const word of words) {
    const matched = LANE_IDS.filter((lane) => lane === word || CLASS_OF[lane] === word);
    if (matched.length === 0) {
      const known = [...new Set([...Object.values(CLASS_OF), ...LANE_IDS])].join(", ");
      throw fault("invalid-request", { param, message: `'${word}' is not a lane; known: ${known}.` });
    }
    for (const lane of matched) lanes.add(lane);
  }
  return [...lanes];
}
