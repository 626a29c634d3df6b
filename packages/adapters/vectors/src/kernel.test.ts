import { PAGE_BYTES } from "@slowboat/wasm";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openKernel } from "./kernel.ts";

const SEED = 20_261_128;
const ROWS_AT = 4096;

test(`the kernel's products are those of whole numbers, at every width, count and extreme (seed ${SEED})`, () => {
  const { memory, scan } = openKernel(4 * PAGE_BYTES);
  memory.grow(3);
  const code = fc.oneof(fc.integer({ min: -127, max: 127 }), fc.constantFrom(-128, -127, 127, 0));
  const some = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 9 }), fc.infiniteStream(code));
  fc.assert(
    fc.property(some, ([width, count, codes]) => {
      const dims = 32 * width;
      const take = (n: number): number[] => Array.from({ length: n }, () => codes.next().value as number);
      const query = take(dims);
      const rows = Array.from({ length: count }, () => take(dims));
      const out = ROWS_AT + Math.ceil((count * dims) / 16) * 16;
      new Int16Array(memory.buffer, 0, dims).set(query);
      for (const [row, values] of rows.entries()) new Int8Array(memory.buffer, ROWS_AT + row * dims, dims).set(values);
      const products = new Int32Array(memory.buffer, out, count + 1).fill(7);
      scan(0, ROWS_AT, count, dims, out);
      const expected = rows.map((row) => row.reduce((sum, value, at) => sum + value * (query[at] ?? 0), 0));
      // Nothing is written behind the last row.
      expect([...products]).toEqual([...expected, 7]);
    }),
    { seed: SEED, numRuns: 200 },
  );
});
