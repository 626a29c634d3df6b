import { op, openModule, PAGE_BYTES, rowProducts } from "@slowboat/wasm";

/** `out[i] = Σ query[d] · rows[i][d]` over f32: addresses, multiples of 16; `dims` is a multiple of 16. */
type Multiply = (query: number, rows: number, count: number, dims: number, out: number) => void;

const MULTIPLY = rowProducts("multiply", {
  rowBytes: 16,
  numbers: 4,
  loadRow: op.loadVector,
  multiply: op.multiplyFloats,
  add: op.addFloats,
  lane: op.floatLane,
  addOne: op.addFloat,
  store: op.storeFloat,
});

/** Multiplies one query with up to `most` rows of `dims` numbers each. */
export interface Products {
  /** `out[i] = Σ query[d] · rows[i · dims + d]` for the first `count` rows; what it returns holds until the next call. Rows are copied in where they are not those of the call before. */
  of(rows: Float32Array, query: Float32Array, count: number): Float32Array;
}

/** Opens room for `most` rows of `dims` numbers, a multiple of 16. */
export function openProducts(most: number, dims: number): Products {
  const outAt = 4 * dims;
  const rowsAt = outAt + 4 * most;
  const bytes = rowsAt + 4 * most * dims;
  const { memory, exports } = openModule([MULTIPLY], bytes);
  memory.grow(Math.ceil(bytes / PAGE_BYTES) - 1);
  const { multiply } = exports as { readonly multiply: Multiply };
  const asked = new Float32Array(memory.buffer, 0, dims);
  const out = new Float32Array(memory.buffer, outAt, most);
  const held = new Float32Array(memory.buffer, rowsAt, most * dims);
  let last: Float32Array | null = null;
  return {
    of(rows, query, count) {
      if (last !== rows) held.set(rows.subarray(0, most * dims));
      last = rows;
      asked.set(query);
      multiply(0, rowsAt, count, dims, outAt);
      return out;
    },
  };
}
