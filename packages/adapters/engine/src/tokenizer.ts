import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** `[piece, log probability]` by token id; the score of a piece with a colon is missing in the packaged list and counts as 0. */
export type Vocabulary = readonly (readonly [piece: string, score: number | null])[];

/** Turns a text into at most `maxTokens` token ids, in reading order; `[]` for a text without a visible character. */
export type Tokenizer = (text: string, maxTokens: number) => number[];

/** Ids below this one are markers and never match text. */
const RESERVED_IDS = 6;
const UNKNOWN_ID = 0;
/** Stands for a space, so that a piece says whether it opens a word. */
const WORD_START = "\u2581";
/** UTF-16 units of a text that are looked at: over three times what 1,024 tokens of English need, and a bound on the time a text takes. */
const TEXT_CHARS_MAX = 16_384;

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  /** Token id of the piece that ends here, or -1. */
  id: number;
  score: number;
}

/** True when `text` has no visible character, so that there is nothing to embed. */
export const isBlank = (text: string): boolean => !/\S/.test(text);

/** The part of a text that the tokenizer looks at. */
export const readablePart = (text: string): string => text.trimStart().slice(0, TEXT_CHARS_MAX);

/** Reads the packaged vocabulary: 8,000 pieces. */
export async function readVocabulary(folder: string): Promise<Vocabulary> {
  return JSON.parse(await readFile(join(folder, "vocab.json"), "utf8")) as Vocabulary;
}

/**
 * A unigram tokenizer (Kudo 2018, arXiv:1804.10959): NFKC, runs of white space as one word mark, then the segmentation with the
 * highest sum of log probabilities. A character that no piece begins with is id 0 and costs nothing; runs of it collapse to one id.
 * No piece crosses a word mark, so the search goes word by word and stops as soon as `maxTokens` are found: the time is linear in the
 * text, and bounded, because only the first 16,384 UTF-16 units are looked at.
 */
export function createTokenizer(vocabulary: Vocabulary): Tokenizer {
  const root = buildTrie(vocabulary);
  return (text, maxTokens) => {
    const normal = readablePart(text).normalize("NFKC").slice(0, TEXT_CHARS_MAX);
    const ids: number[] = [];
    for (const word of normal.split(/\s+/)) {
      if (word === "") continue;
      for (const id of segment(root, WORD_START + word)) {
        if (id === UNKNOWN_ID && ids.at(-1) === UNKNOWN_ID) continue;
        ids.push(id);
        if (ids.length === maxTokens) return ids;
      }
    }
    return ids;
  };
}

function buildTrie(vocabulary: Vocabulary): TrieNode {
  const root: TrieNode = { next: new Map(), id: -1, score: 0 };
  for (let id = RESERVED_IDS; id < vocabulary.length; id++) {
    const [piece, score] = vocabulary[id] ?? ["", null];
    let node = root;
    for (const char of piece) {
      const code = char.codePointAt(0) ?? 0;
      let child = node.next.get(code);
      if (!child) {
        child = { next: new Map(), id: -1, score: 0 };
        node.next.set(code, child);
      }
      node = child;
    }
    node.id = id;
    node.score = score ?? 0;
  }
  return root;
}

/** Viterbi over code points. Of two equal sums the one with the shorter last piece wins. */
function segment(root: TrieNode, word: string): number[] {
  const codes = Array.from(word, (char) => char.codePointAt(0) ?? 0);
  const best = new Float64Array(codes.length + 1).fill(Number.NEGATIVE_INFINITY);
  const lastId = new Int32Array(codes.length + 1);
  const lastStart = new Int32Array(codes.length + 1);
  best[0] = 0;
  const offer = (start: number, end: number, id: number, score: number): void => {
    const sum = (best[start] ?? 0) + score;
    if (sum < (best[end] ?? 0)) return;
    best[end] = sum;
    lastId[end] = id;
    lastStart[end] = start;
  };
  for (let start = 0; start < codes.length; start++) {
    let node = root.next.get(codes[start] ?? 0);
    let matched = false;
    for (let end = start + 1; node; end++) {
      if (node.id >= 0) {
        offer(start, end, node.id, node.score);
        matched = true;
      }
      node = end < codes.length ? node.next.get(codes[end] ?? 0) : undefined;
    }
    if (!matched) offer(start, start + 1, UNKNOWN_ID, 0);
  }
  const ids: number[] = [];
  for (let end = codes.length; end > 0; end = lastStart[end] ?? 0) ids.push(lastId[end] ?? 0);
  return ids.reverse();
}
