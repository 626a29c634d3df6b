/** A running digest of a prompt's beginning that can be read at every boundary. */
export interface PrefixDigest {
  add(text: string): void;
  /** Sixteen hex digits of everything added so far. */
  key(): string;
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");

/**
 * Two multiplicative 32-bit mixes over UTF-16 units with a final avalanche (murmur3's constants). Not cryptographic, on purpose: it runs
 * over every prompt at intake, a key names a prefix within one tenant, and a collision costs a cache write, never an answer.
 */
export function createDigest(seed: string): PrefixDigest {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  const add = (text: string): void => {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x5bd1e995);
      b ^= b >>> 15;
    }
    // Where one text ends and the next begins is a part of what is named.
    a = Math.imul(a ^ text.length ^ 0x10000, 0x01000193);
    b = Math.imul(b ^ text.length ^ 0x10000, 0x5bd1e995);
  };
  add(seed);
  const final = (word: number): number => {
    let x = word ^ (word >>> 16);
    x = Math.imul(x, 0x85ebca6b);
    x ^= x >>> 13;
    x = Math.imul(x, 0xc2b2ae35);
    return x ^ (x >>> 16);
  };
  return { add, key: () => hex(final(a ^ (b << 1))) + hex(final(b)) };
}
