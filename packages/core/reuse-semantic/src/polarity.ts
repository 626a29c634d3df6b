import { AXES } from "./axes.ts";
import { type Reading, stem } from "./read-text.ts";

/** What two texts say relative to each other, as far as words tell. */
export interface Polarity {
  /** Denials and opposites that differ, counted: odd is the contrary, even is agreement. */
  readonly flips: number;
  /** Content words of either side that have no counterpart at all on the other. */
  readonly unexplained: number;
  /** Words that have an opposite or a synonym on the other side. */
  readonly explained: number;
}

interface Sense {
  readonly axis: number;
  readonly side: 0 | 1;
}

const SENSES: ReadonlyMap<string, readonly Sense[]> = (() => {
  const senses = new Map<string, Sense[]>();
  AXES.forEach((line, axis) => {
    line.split("|").forEach((words, side) => {
      for (const word of words.trim().split(/\s+/)) {
        const known = senses.get(stem(word)) ?? [];
        known.push({ axis, side: side as 0 | 1 });
        senses.set(stem(word), known);
      }
    });
  });
  return senses;
})();

const PREFIX = /^(?:non|dis|un|im|in|il|ir|mis|anti)(?=\p{L}{3})/u;

/** The word without a denying prefix or suffix; `null` when it has none. */
function undenied(word: string): string | null {
  if (word.endsWith("less") && word.length > 6) return word.slice(0, -4);
  return PREFIX.test(word) ? word.replace(PREFIX, "") : null;
}

/** 0 for the same meaning, 1 for the contrary, `null` when the words are not known to have to do with each other. */
function relation(a: string, b: string, depth = 0): 0 | 1 | null {
  if (a === b) return 0;
  const near = bySense(a, b);
  if (near !== null || depth > 1) return near;
  const bareA = undenied(a);
  const fromA = bareA === null ? null : relation(bareA, b, depth + 1);
  if (fromA !== null) return fromA === 0 ? 1 : 0;
  const bareB = undenied(b);
  const fromB = bareB === null ? null : relation(a, bareB, depth + 1);
  return fromB === null ? null : fromB === 0 ? 1 : 0;
}

function bySense(a: string, b: string): 0 | 1 | null {
  const others = SENSES.get(b);
  if (others === undefined) return null;
  let found: 0 | 1 | null = null;
  for (const { axis, side } of SENSES.get(a) ?? [])
    for (const other of others)
      if (other.axis === axis) {
        if (other.side === side) return 0;
        found = 1;
      }
  return found;
}

/** Compares what two texts claim: words they share cancel, words with a known relation are paired off, denials are counted. */
export function polarity(a: Reading, b: Reading): Polarity {
  const left = [...a.content].filter((word) => !b.content.has(word));
  const right = [...b.content].filter((word) => !a.content.has(word));
  let flips = Math.abs(a.negations - b.negations);
  let explained = 0;
  let unexplained = 0;
  const open = new Set(right);
  for (const word of left) {
    let best: { word: string; flip: 0 | 1 } | null = null;
    for (const other of open) {
      const flip = relation(word, other);
      if (flip !== null && (best === null || flip < best.flip)) best = { word: other, flip };
    }
    if (best === null) unexplained++;
    else {
      open.delete(best.word);
      explained++;
      flips += best.flip;
    }
  }
  return { flips, unexplained: unexplained + open.size, explained };
}
