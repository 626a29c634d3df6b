import { randomFillSync } from "node:crypto";
import type { Rng } from "@slowboat/kernel";

/** The operating system's dice, drawn in blocks. */
export function systemRng(): Rng {
  const pool = new Uint32Array(256);
  let at = pool.length;
  const u32 = (): number => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    return pool[at++] ?? 0;
  };
  return { u32, float: () => (u32() * 0x200000 + (u32() >>> 11)) / 2 ** 53 };
}
