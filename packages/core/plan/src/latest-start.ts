import { generationMs, REALTIME } from "./latency.ts";

interface Dated {
  readonly outputTokens: number;
  readonly deadlineAtMs: number;
}

/** One call in a hundred takes less than this share of the median. */
const QUICK = 0.3125;

/** The last instant (job ms) at which a real-time call begins that typically ends in time. */
export const latestStartMs = ({ outputTokens, deadlineAtMs }: Dated): number => deadlineAtMs - REALTIME.medianMs - generationMs(outputTokens);

/** The last instant (job ms) at which one begins that may still end in time: hardly any that begins later does. */
export const hopelessFromMs = ({ outputTokens, deadlineAtMs }: Dated): number =>
  deadlineAtMs - QUICK * REALTIME.medianMs - generationMs(outputTokens);
