import { hexOf, sha256 } from "@slowboat/kernel";
import { readText } from "./read-text.ts";
import type { Meeting, ReuseState } from "./state.ts";

/** Entries that are watched; the least met are forgotten first. */
const WATCHED = 512;
/** An entry is shut when at least this many unlike questions met it, and they are this share of all. */
const UNLIKE_MIN = 12;
const UNLIKE_SHARE = 0.6;

/** One name for two texts in either order. */
export const digestOf = (a: string, b: string): string => hexOf(sha256([a, b].sort().join("\u0000"))).slice(0, 24);

/** Whether two questions have no word of meaning in common and hardly a run of letters. */
export function isUnlike(a: string, b: string): boolean {
  const [left, right] = [readText(a), readText(b)];
  for (const word of left.content) if (right.content.has(word)) return false;
  let both = 0;
  for (const trigram of left.trigrams) if (right.trigrams.has(trigram)) both++;
  return both * 10 < Math.min(left.trigrams.size, right.trigrams.size);
}

/** Whether an entry draws so many unlike questions that its vector looks made for it. */
export function isQuarantined(state: ReuseState, id: string): boolean {
  const meeting = state.meetings.get(id);
  return meeting !== undefined && meeting.unlike >= UNLIKE_MIN && meeting.unlike >= UNLIKE_SHARE * meeting.met;
}

/** Counts a question that met an entry closely enough to be answered by it. */
export function meet(meetings: ReadonlyMap<string, Meeting>, id: string, unlike: boolean): ReadonlyMap<string, Meeting> {
  const next = new Map(meetings);
  const { met, unlike: before } = next.get(id) ?? { met: 0, unlike: 0 };
  next.set(id, { met: met + 1, unlike: before + (unlike ? 1 : 0) });
  if (next.size > WATCHED) {
    const least = [...next].reduce((a, b) => (b[1].unlike < a[1].unlike || (b[1].unlike === a[1].unlike && b[1].met < a[1].met) ? b : a));
    next.delete(least[0]);
  }
  return next;
}
