import { op, openModule, PAGE_BYTES, type WasmFunction } from "@slowboat/wasm";

/** `out[i] = Σ query[d] · rows[i][d]` over f32: addresses, multiples of 16; `dims` is a multiple of 16. */
type Multiply = (query: number, rows: number, count: number, dims: number, out: number) => void;

// Locals: the parameters, then the rest of a row, a cursor in the query, and four sums.
const [QUERY, ROWS, COUNT, DIMS, OUT, REST, AT, SUMS] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const lanes = [0, 1, 2, 3];
const VECTOR_BYTES = 16;

/** `sum[n] += query[at + 16n …] · row[16n …]` */
const step = (n: number): number[] => [
  ...op.get(SUMS + n),
  ...op.get(AT),
  ...op.loadVector(VECTOR_BYTES * n),
  ...op.get(ROWS),
  ...op.loadVector(VECTOR_BYTES * n),
  ...op.multiplyFloats,
  ...op.addFloats,
  ...op.set(SUMS + n),
];

/** Rows from the outer loop, sixteen numbers of a row from the inner one. */
const MULTIPLY = [
  ...op.get(COUNT),
  ...op.isZero,
  ...op.returnIf,
  ...op.loopWhile([
    ...lanes.flatMap((n) => [...op.vectorZero, ...op.set(SUMS + n)]),
    ...[...op.get(DIMS), ...op.set(REST), ...op.get(QUERY), ...op.set(AT)],
    ...op.loopWhile([
      ...lanes.flatMap(step),
      ...[...op.get(ROWS), ...op.const(4 * VECTOR_BYTES), ...op.add, ...op.set(ROWS)],
      ...[...op.get(AT), ...op.const(4 * VECTOR_BYTES), ...op.add, ...op.set(AT)],
      ...[...op.get(REST), ...op.const(VECTOR_BYTES), ...op.sub, ...op.tee(REST)],
    ]),
    ...op.get(OUT),
    ...[...op.get(SUMS), ...op.get(SUMS + 1), ...op.addFloats, ...op.get(SUMS + 2), ...op.get(SUMS + 3), ...op.addFloats, ...op.addFloats],
    ...op.tee(SUMS),
    ...lanes.flatMap((lane) => (lane === 0 ? op.floatLane(lane) : [...op.get(SUMS), ...op.floatLane(lane), ...op.addFloat])),
    ...op.storeFloat(0),
    ...[...op.get(OUT), ...op.const(4), ...op.add, ...op.set(OUT)],
    ...[...op.get(COUNT), ...op.const(1), ...op.sub, ...op.tee(COUNT)],
  ]),
];

const FUNCTIONS: readonly WasmFunction[] = [
  { name: "multiply", params: ["i32", "i32", "i32", "i32", "i32"], locals: ["i32", "i32", "v128", "v128", "v128", "v128"], body: MULTIPLY },
];

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
  const { memory, exports } = openModule(FUNCTIONS, bytes);
  memory.grow(Math.ceil(bytes / PAGE_BYTES) - 1);
  const { multiply } = exports as { readonly multiply: Multiply };
  const asked = new Float32Array(memory.buffer, 0, dims);
  const out = new Float32Array(memory.buffer, outAt, most);
  const held = new Float32Array(memory.buffer, rowsAt, most * dims);
  let last: Float32Array | null = null;
  return {
    of(rows, query, count) {
      if (last !== rows) held.set(rows.subarray(0, count * dims));
      last = rows;
      asked.set(query);
      multiply(0, rowsAt, count, dims, outAt);
      return out;
    },
  };
}
