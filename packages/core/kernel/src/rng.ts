/** A source of randomness that is passed in, so that a simulation throws the same dice again. */
export interface Rng {
  /** The next unsigned 32-bit integer. */
  u32(): number;
  /** The next number in [0, 1), 53 bits. */
  float(): number;
}

/** xoshiro128** seeded by splitmix32: the same seed gives the same sequence for ever. */
export function seededRng(seed: number): Rng {
  let mix = seed >>> 0;
  const split = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = split();
  let b = split();
  let c = split();
  let d = split();
  const u32 = (): number => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return { u32, float: () => (u32() * 0x200000 + (u32() >>> 11)) / 2 ** 53 };
}
