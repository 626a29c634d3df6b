import { expandLanes, type LaneId } from "@slowboat/contract";
import { type HeaderTerms, readCacheMode } from "@slowboat/intake";

const DEADLINE_HEADERS = ["slowboat-deadline", "offpeak-deadline"] as const;

/** The deadline that a caller's headers ask for, with the name of the header; `null` where they ask for none. */
export function deadlineHeader(headers: Headers): HeaderTerms["deadline"] {
  for (const name of DEADLINE_HEADERS) {
    const text = headers.get(name);
    if (text !== null) return { name, text: text.trim() };
  }
  return null;
}

/** What a caller's headers ask for: `Slowboat-Deadline`, `-Allow`, `-Deny` and `-Cache`. */
export function headerTerms(headers: Headers): HeaderTerms {
  const cache = headers.get("slowboat-cache");
  return {
    deadline: deadlineHeader(headers),
    allow: laneList(headers, "slowboat-allow"),
    deny: laneList(headers, "slowboat-deny"),
    cacheMode: cache === null ? null : readCacheMode(cache, "slowboat-cache"),
  };
}

/** Lanes or classes out of a comma-separated text; `null` where there is none. */
export const laneWords = (text: string | null | undefined, param: string): LaneId[] | null =>
  text === null || text === undefined
    ? null
    : expandLanes(
        text
          .split(",")
          .map((word) => word.trim())
          .filter((word) => word !== ""),
        param,
      );

const laneList = (headers: Headers, name: string): LaneId[] | null => laneWords(headers.get(name), name);
