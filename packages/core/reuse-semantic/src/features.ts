import { guardReadings, HARD_VETOES, VETOES, type Veto } from "./guard.ts";
import { polarity } from "./polarity.ts";
import { POLICY } from "./policy.ts";
import { type Reading, readText } from "./read-text.ts";
import type { Neighbour, ReuseAsk } from "./types.ts";

/** Neighbours that are looked at. */
const NEIGHBOURS_MAX = 16;
/** Goes up whenever a feature changes its meaning: weights of another revision are worth nothing. */
export const FEATURES_REVISION = 1;
/** How much nearer neighbours count for more: one a tenth nearer counts 3.3 times. */
const VOTE_SHARPNESS = 12;

/** What the verifier is shown: the entry in question and numbers from 0 to 255, so that a state kept and read again decides the same. */
export interface Evidence {
  readonly candidate: Neighbour;
  readonly x: Uint8Array;
  /** What speaks against sharing the answer. */
  readonly vetoes: readonly Veto[];
}

/** Names of the features, in order; the first is constant. */
export const FEATURES = [
  "one",
  "similarity",
  "similarity above .6",
  "similarity above .8",
  "vote share",
  "second vote share",
  "lead over another answer",
  "no other answer",
  "agreement of 5",
  "agreement of 16",
  "mean similarity of 3 agreeing",
  "neighbours above .5",
  "words in common",
  "content in common",
  "content of the shorter in common",
  "content of the longer in common",
  "trigrams in common",
  "length ratio",
  "shorter length",
  "longer length",
  "same first word",
  "same first two words",
  "same last word",
  "same content",
  "content only asked",
  "content only kept",
  "odd denials",
  "agrees word by word",
  "explained words",
  "one word swapped",
  "best content of the agreeing",
  "best content of the others",
  "content lead over the others",
  "a name on one side",
  "age",
  "hits",
  "vote share x similarity",
  "lead x similarity",
  "content x similarity",
  "trigrams x similarity",
  "dates differ",
  "persons differ",
  "names differ",
  "another thing of its kind",
  "another action",
] as const;

/**
 * Chooses the entry in question and describes it. Neighbours vote for their answers, the near ones louder; the entry is the nearest with the winning answer.
 * `null` without neighbours.
 */
export function weigh({ text, neighbours }: ReuseAsk): Evidence | null {
  const known = weighed.get(neighbours);
  if (known?.text === text) return known.evidence;
  const evidence = evidenceOf(text, neighbours.slice(0, NEIGHBOURS_MAX));
  weighed.set(neighbours, { text, evidence });
  return evidence;
}

const WORDS_IN_COMMON = FEATURES.indexOf("words in common");

/** Whether the two questions that these features tell of share most of their words. */
export const areCopies = (x: ArrayLike<number>): boolean => (x[WORDS_IN_COMMON] as number) >= 255 * POLICY.copyWords;

/** The same question is weighed when it is decided and when its label comes. */
const weighed = new WeakMap<readonly Neighbour[], { readonly text: string; readonly evidence: Evidence | null }>();

function evidenceOf(text: string, near: readonly Neighbour[]): Evidence | null {
  const first = near[0];
  if (first === undefined) return null;
  const votes = new Map<string, number>();
  let sum = 0;
  for (const { similarity, answerKey } of near) {
    const vote = Math.exp(VOTE_SHARPNESS * (similarity - first.similarity));
    votes.set(answerKey, (votes.get(answerKey) ?? 0) + vote);
    sum += vote;
  }
  const ranked = [...votes].sort((a, b) => b[1] - a[1]);
  const winner = ranked[0]?.[0] ?? first.answerKey;
  const candidate = near.find(({ answerKey }) => answerKey === winner) ?? first;
  const asked = readText(text);
  const stored = readText(candidate.text);
  const shares = [(ranked[0]?.[1] ?? 0) / sum, (ranked[1]?.[1] ?? 0) / sum] as const;
  const x = [...crowd(near, candidate, shares), ...pair(asked, stored), ...rivals(asked, near, winner), nameOnOneSide(asked, stored)];
  const at = (name: (typeof FEATURES)[number]): number => x[FEATURES.indexOf(name)] as number;
  x.push(logShare(candidate.ageMs / 3_600_000, 10), logShare(candidate.hits, 10));
  const closeness = at("similarity");
  for (const name of ["vote share", "lead over another answer", "content in common", "trigrams in common"] as const) x.push(at(name) * closeness);
  const vetoes = guardReadings(asked, stored);
  for (const veto of VETOES.slice(HARD_VETOES)) x.push(vetoes.includes(veto) ? 1 : 0);
  return { candidate, x: Uint8Array.from(x, (value) => Math.round(255 * Math.min(1, Math.max(0, value)))), vetoes };
}

const logShare = (value: number, bits: number): number => Math.log2(1 + Math.max(0, value)) / bits;

/** What the neighbours say together. */
function crowd(near: readonly Neighbour[], candidate: Neighbour, shares: readonly [number, number]): number[] {
  const { similarity, answerKey } = candidate;
  const agreeing = near.filter((neighbour) => neighbour.answerKey === answerKey);
  const other = near.find((neighbour) => neighbour.answerKey !== answerKey);
  const top = agreeing.slice(0, 3);
  return [
    1,
    similarity,
    (similarity - 0.6) / 0.4,
    (similarity - 0.8) / 0.2,
    shares[0],
    shares[1],
    other === undefined ? 1 : 0.5 + (similarity - other.similarity) / 0.6,
    other === undefined ? 1 : 0,
    near.slice(0, 5).filter((neighbour) => neighbour.answerKey === answerKey).length / 5,
    agreeing.length / NEIGHBOURS_MAX,
    top.reduce((total, neighbour) => total + neighbour.similarity, 0) / top.length,
    near.filter((neighbour) => neighbour.similarity > 0.5).length / NEIGHBOURS_MAX,
  ];
}

/** What the words of two questions say. */
function pair(a: Reading, b: Reading): number[] {
  const words = [new Set(a.words), new Set(b.words)] as const;
  const content = overlap(a.content, b.content);
  const [short, long] = [Math.min(a.content.size, b.content.size), Math.max(a.content.size, b.content.size)];
  const lengths = [Math.min(a.words.length, b.words.length), Math.max(a.words.length, b.words.length)] as const;
  const { flips, unexplained, explained } = polarity(a, b);
  const swappedOne = a.content.size - content === 1 && b.content.size - content === 1 && unexplained === 2;
  return [
    jaccard(words[0], words[1]),
    jaccard(a.content, b.content),
    short === 0 ? 0 : content / short,
    long === 0 ? 0 : content / long,
    jaccard(a.trigrams, b.trigrams),
    lengths[1] === 0 ? 1 : lengths[0] / lengths[1],
    logShare(lengths[0], 6),
    logShare(lengths[1], 6),
    a.words[0] === b.words[0] ? 1 : 0,
    a.words[0] === b.words[0] && a.words[1] === b.words[1] ? 1 : 0,
    a.words.at(-1) === b.words.at(-1) ? 1 : 0,
    content === long ? 1 : 0,
    (a.content.size - content) / 8,
    (b.content.size - content) / 8,
    flips % 2,
    unexplained === 0 && flips % 2 === 0 ? 1 : 0,
    explained / 4,
    swappedOne ? 1 : 0,
  ];
}

/** How the words of the question fit the winning answer's questions, and those of other answers. */
function rivals(asked: Reading, near: readonly Neighbour[], winner: string): number[] {
  let own = 0;
  let others = 0;
  for (const { text, answerKey } of near.slice(0, 8)) {
    const fit = jaccard(asked.content, readText(text).content);
    if (answerKey === winner) own = Math.max(own, fit);
    else others = Math.max(others, fit);
  }
  return [own, others, 0.5 + (own - others) / 2];
}

const nameOnOneSide = (a: Reading, b: Reading): number =>
  [...a.names].some((name) => !b.names.has(name)) || [...b.names].some((name) => !a.names.has(name)) ? 1 : 0;

function overlap<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let count = 0;
  for (const item of small) if (large.has(item)) count++;
  return count;
}

function jaccard<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): number {
  const both = overlap(a, b);
  const either = a.size + b.size - both;
  return either === 0 ? 1 : both / either;
}
