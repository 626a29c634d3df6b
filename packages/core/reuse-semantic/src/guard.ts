import { actionSwapped, alternativeSwapped, personsOf } from "./facets.ts";
import { polarity } from "./polarity.ts";
import { type Reading, readText } from "./read-text.ts";

/**
 * What speaks against sharing an answer. The first five stand for ever. The others know the words, not the world: each gives way in a namespace whose own labels
 * show that it does not matter there.
 */
export const VETOES = [
  "identifiers differ",
  "numbers differ",
  "code differs",
  "one denies the other",
  "one says the contrary",
  "dates differ",
  "persons differ",
  "names differ",
  "another thing of its kind",
  "another action",
] as const;
export type Veto = (typeof VETOES)[number];
/** How many of them stand for ever. */
export const HARD_VETOES = 5;

/** Longer texts name one thing in many ways: there a name on one side alone says little. */
const NAMES_WORDS_MAX = 16;

/**
 * Why two questions may not share an answer, whatever the verifier believes; empty when nothing speaks against it. It compares identifiers, numbers with
 * their units, dates and code as exact multisets, names where both have some, people, things that exclude each other, and what is denied.
 * Symmetric. Blind to what needs knowledge of the world.
 */
export const guard = (a: string, b: string): string[] => guardReadings(readText(a), readText(b));

/** The same for texts that have been read. */
export function guardReadings(a: Reading, b: Reading): Veto[] {
  const reasons: Veto[] = [];
  const differ = (left: readonly string[], right: readonly string[]): boolean =>
    left.length !== right.length || left.some((item, at) => item !== right[at]);
  if (differ(a.ids, b.ids)) reasons.push("identifiers differ");
  if (differ(a.numbers, b.numbers)) reasons.push("numbers differ");
  if (differ(a.dates, b.dates)) reasons.push("dates differ");
  if (differ(a.code, b.code)) reasons.push("code differs");
  if (differ(personsOf(a), personsOf(b))) reasons.push("persons differ");
  if (Math.max(a.words.length, b.words.length) <= NAMES_WORDS_MAX && onlyIn(a.names, b) && onlyIn(b.names, a)) reasons.push("names differ");
  if (alternativeSwapped(a, b)) reasons.push("another thing of its kind");
  const { flips, unexplained, explained } = polarity(a, b);
  if (unexplained === 0 && flips % 2 === 1) reasons.push(explained === 0 ? "one denies the other" : "one says the contrary");
  if (unexplained > 0 && unexplained <= 2 && actionSwapped(a, b)) reasons.push("another action");
  return reasons;
}

/** Whether some name of one text does not occur in the other in any spelling. */
const onlyIn = (names: ReadonlySet<string>, other: Reading): boolean => {
  const text = other.words.join("");
  return [...names].some((name) => !text.includes(name));
};
