import { expandLanes, type LaneId } from "@slowboat/contract";
import { fault } from "@slowboat/kernel";
import type { ReuseMode } from "@slowboat/reuse";

const DEADLINE_HEADERS = ["slowboat-deadline", "offpeak-deadline"] as const;

/** The deadline that a caller's headers ask for, with the name of the header; `null` where they ask for none. */
export function deadlineHeader(headers: Headers): { readonly name: string; readonly text: string } | null {
  for (const name of DEADLINE_HEADERS) {
    const text = headers.get(name);
    if (text !== null) return { name, text: text.trim() };
  }
  return null;
}

/** Reads a header of lane names or classes, comma-separated; `null` where it is missing. */
export const laneList = (headers: Headers, name: string): LaneId[] | null => {
  const text = headers.get(name);
  if (text === null) return null;
  return expandLanes(
    text
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word !== ""),
    name,
  );
};

/** Words of the header, the native API's own and those of its kind elsewhere. */
const CACHE_MODES: Readonly<Record<string, ReuseMode>> = { auto: "auto", always: "exact", exact: "exact", never: "off", off: "off" };

/** Reads `Slowboat-Cache`; `auto` where it is missing. */
export function cacheMode(headers: Headers): ReuseMode {
  const text = headers.get("slowboat-cache") ?? "auto";
  const mode = Object.hasOwn(CACHE_MODES, text) ? CACHE_MODES[text] : undefined;
  if (mode === undefined)
    throw fault("invalid-request", { param: "slowboat-cache", message: `'${text.slice(0, 32)}' is not a cache mode; known: auto, always, never.` });
  return mode;
}
