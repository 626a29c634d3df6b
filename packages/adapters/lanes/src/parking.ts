import type { Paces } from "./paces.ts";
import { type BatchLane, LaneError } from "./port.ts";

/**
 * A batch lane that shares its account's fate: a refusal that only a person can mend takes the account out of service for its real-time
 * lanes, too, and theirs for it. What is submitted already is still polled and collected.
 */
export function parking(lane: BatchLane, paces: Paces): BatchLane {
  const watch = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof LaneError && error.retry === "park") paces.park(lane.account);
      throw error;
    }
  };
  return {
    ...lane,
    pace: () => ({ ...paces.view(lane.account), models: new Map() }),
    submit: (...args) => watch(lane.submit(...args)),
    find: (...args) => watch(lane.find(...args)),
    poll: (...args) => watch(lane.poll(...args)),
    cancel: (...args) => watch(lane.cancel(...args)),
  };
}
