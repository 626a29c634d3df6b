import { countTokens, decode, encode } from "gpt-tokenizer/encoding/o200k_base";
import { digest } from "./dice.ts";

/** Text is tokenised in pieces of about this many characters (2 ms each), so that a long prompt can be taken slice by slice. */
const PIECE_CHARS = 8_192;
/** A run without any space is cut here: byte-pair merging of one endless word is slower than linear. */
const RUN_CHARS = 2_048;
/** Remembered counts. */
const MEMORY = 50_000;

const asText = { disallowedSpecial: new Set<string>() };
const CUT = /[^\s] (?=\p{L})/gu;

/** Cuts only before a space that a letter follows, where the o200k pattern ends a token anyway; an endless word is cut by force. */
export function* pieces(text: string): Generator<string> {
  let at = 0;
  while (text.length - at > PIECE_CHARS) {
    CUT.lastIndex = at + PIECE_CHARS - RUN_CHARS;
    const match = CUT.exec(text.slice(0, at + PIECE_CHARS));
    let end = match === null ? at + RUN_CHARS : match.index + 1;
    const code = text.charCodeAt(end);
    if (code >= 0xdc00 && code <= 0xdfff) end++;
    yield text.slice(at, end);
    at = end;
  }
  if (at < text.length) yield text.slice(at);
}

/**
 * Counts tokens with o200k_base, the tokenizer of OpenAI's models; for Anthropic's models, whose tokenizer is not public, it stands in.
 * Counts are remembered by the text's digest, the oldest forgotten first.
 */
export interface Tokenizer {
  count(text: string): number;
  ids(text: string): number[];
  /** The longest beginning of the text that has at most `limit` tokens, and how many it has. */
  head(text: string, limit: number): { text: string; tokens: number };
}

export function createTokenizer(): Tokenizer {
  const known = new Map<string, number>();
  const countPiece = (piece: string): number => {
    if (piece.length < 48) return countTokens(piece, asText);
    const key = digest(piece);
    const seen = known.get(key);
    if (seen !== undefined) return seen;
    const count = countTokens(piece, asText);
    if (known.size >= MEMORY)
      for (const oldest of known.keys()) {
        known.delete(oldest);
        break;
      }
    known.set(key, count);
    return count;
  };
  return {
    count: (text) => {
      let sum = 0;
      for (const piece of pieces(text)) sum += countPiece(piece);
      return sum;
    },
    ids: (text) => {
      const all: number[] = [];
      for (const piece of pieces(text)) for (const id of encode(piece, asText)) all.push(id);
      return all;
    },
    head: (text, limit) => {
      if (text.length <= limit) return { text, tokens: encode(text, asText).length };
      const ids = encode(text, asText);
      return ids.length <= limit ? { text, tokens: ids.length } : { text: decode(ids.slice(0, limit)), tokens: Math.max(0, limit) };
    },
  };
}
