import { expandLanes, type LaneId, readNames } from "@slowboat/contract";
import { type HeaderTerms, readAdmission, readCacheWish } from "@slowboat/intake";
import { storedSemantic } from "@slowboat/reuse";

const DEADLINE_HEADERS = ["slowboat-deadline", "offpeak-deadline"] as const;

/** The deadline that a caller's headers ask for, with the name of the header; `null` where they ask for none. */
export function deadlineHeader(headers: Headers): HeaderTerms["deadline"] {
  for (const name of DEADLINE_HEADERS) {
    const text = headers.get(name);
    if (text !== null) return { name, text: text.trim() };
  }
  return null;
}

/**
 * What a caller's headers ask for: `Slowboat-Deadline`, `-Allow` and `-Deny` (lanes of `known`), `-Cache` and `-Fallbacks`. `semanticCache` is what the
 * caller's tenant has stored.
 */
export function headerTerms(headers: Headers, known: readonly LaneId[], semanticCache: string | null): HeaderTerms {
  const cache = headers.get("slowboat-cache");
  const fallbacks = headers.get("slowboat-fallbacks");
  const admission = headers.get("slowboat-admission");
  return {
    deadline: deadlineHeader(headers),
    allow: laneWords(headers.get("slowboat-allow"), "slowboat-allow", known),
    deny: laneWords(headers.get("slowboat-deny"), "slowboat-deny", known),
    cache: cache === null ? null : readCacheWish(cache, "slowboat-cache", storedSemantic(semanticCache)),
    fallbacks: fallbacks === null ? null : readNames(fallbacks, "slowboat-fallbacks"),
    admission: admission === null ? null : readAdmission(admission, "slowboat-admission"),
  };
}

/** Lanes or classes of `known` out of a comma-separated text; `null` where there is none. */
export const laneWords = (text: string | null | undefined, param: string, known: readonly LaneId[]): LaneId[] | null =>
  text === null || text === undefined
    ? null
    : expandLanes(
        text
          .split(",")
          .map((word) => word.trim())
          .filter((word) => word !== ""),
        param,
        known,
      );
