import { op, type WasmFunction } from "./assemble.ts";

/** How numbers of one kind are multiplied: sixteen bytes of the query at a time with what stands beside them in a row. */
interface Arithmetic {
  /** Bytes of a row beside sixteen bytes of the query, and how many numbers that is. */
  readonly rowBytes: number;
  readonly numbers: number;
  /** Loads them from the row, at an offset. */
  readonly loadRow: (offset: number) => readonly number[];
  /** Products of two vectors, and sums of two. */
  readonly multiply: readonly number[];
  readonly add: readonly number[];
  readonly lane: (index: number) => readonly number[];
  readonly addOne: readonly number[];
  readonly store: (offset: number) => readonly number[];
}

// Locals: the parameters, then the rest of a row, a cursor in the query, and four sums.
const [QUERY, ROWS, COUNT, DIMS, OUT, REST, AT, SUMS] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Sums that grow side by side, so that no addition waits for the one before; and the lanes of a vector. */
const FOUR = [0, 1, 2, 3];
const QUERY_BYTES = 16;

/**
 * A function `(query, rows, count, dims, out)` of addresses, multiples of 16: `out[i] = Σ query[d] · rows[i][d]`. `dims` is a multiple of four times `numbers`; a
 * result has four bytes.
 */
export function rowProducts(name: string, { rowBytes, numbers, loadRow, multiply, add, lane, addOne, store }: Arithmetic): WasmFunction {
  const step = (n: number): number[] => [
    ...op.get(SUMS + n),
    ...op.get(AT),
    ...op.loadVector(QUERY_BYTES * n),
    ...op.get(ROWS),
    ...loadRow(rowBytes * n),
    ...multiply,
    ...add,
    ...op.set(SUMS + n),
  ];
  const forward = (cursor: number, bytes: number): number[] => [...op.get(cursor), ...op.const(bytes), ...op.add, ...op.set(cursor)];
  const body = [
    ...op.get(COUNT),
    ...op.isZero,
    ...op.returnIf,
    ...op.loopWhile([
      ...FOUR.flatMap((n) => [...op.vectorZero, ...op.set(SUMS + n)]),
      ...[...op.get(DIMS), ...op.set(REST), ...op.get(QUERY), ...op.set(AT)],
      ...op.loopWhile([
        ...FOUR.flatMap(step),
        ...forward(ROWS, 4 * rowBytes),
        ...forward(AT, 4 * QUERY_BYTES),
        ...[...op.get(REST), ...op.const(4 * numbers), ...op.sub, ...op.tee(REST)],
      ]),
      ...op.get(OUT),
      ...[...op.get(SUMS), ...op.get(SUMS + 1), ...add, ...op.get(SUMS + 2), ...op.get(SUMS + 3), ...add, ...add],
      ...op.tee(SUMS),
      ...FOUR.flatMap((index) => (index === 0 ? lane(index) : [...op.get(SUMS), ...lane(index), ...addOne])),
      ...store(0),
      ...forward(OUT, 4),
      ...[...op.get(COUNT), ...op.const(1), ...op.sub, ...op.tee(COUNT)],
    ]),
  ];
  return { name, params: ["i32", "i32", "i32", "i32", "i32"], locals: ["i32", "i32", "v128", "v128", "v128", "v128"], body };
}
