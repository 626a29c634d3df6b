import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { openProducts } from "./products.ts";

const DIMS = 64;
const SEED = 20261128;

test(`products are those of the rows and the query, whichever rows were multiplied before (seed ${SEED})`, () => {
  const rng = seededRng(SEED);
  const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => rng.u32() / 2 ** 31 - 1);
  const products = openProducts(40, DIMS);
  const tables = [numbers(40 * DIMS), numbers(7 * DIMS)];
  for (const rows of [...tables, ...tables]) {
    const query = numbers(DIMS);
    const count = rows.length / DIMS;
    const found = products.of(rows, query, count);
    for (let i = 0; i < count; i++) {
      const exact = query.reduce((sum, value, d) => sum + value * rows[i * DIMS + d]!, 0);
      expect(found[i]).toBeCloseTo(exact, 4);
    }
  }
  expect(products.of(tables[0]!, numbers(DIMS), 0)).toHaveLength(40);
});
