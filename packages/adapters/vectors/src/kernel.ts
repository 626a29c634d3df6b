import { op, openModule, type WasmFunction, type WasmMemory } from "@slowboat/wasm";

/**
 * Products of one query with rows that lie one after another: `out[i] = Σ query[d] · rows[i][d]`. `query` holds `dims` int16, `rows` `count` × `dims`
 * int8, `out` takes `count` int32; all are addresses, and a multiple of 16. `dims` is a multiple of 32.
 */
export type ScanRows = (query: number, rows: number, count: number, dims: number, out: number) => void;

// Locals of `scan`: its parameters, then the rest of a row in bytes, a cursor in the query, and four sums.
const [QUERY, ROWS, COUNT, DIMS, OUT, REST, AT, SUMS] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Sums that grow side by side, so that no addition waits for the one before; eight bytes of the row each. */
const WIDE = 4;

/** `sum[n] += query[at + 8n …] · row[8n …]` */
const step = (n: number): number[] => [
  ...op.get(SUMS + n),
  ...op.get(AT),
  ...op.loadVector(16 * n),
  ...op.get(ROWS),
  ...op.loadWidened(8 * n),
  ...op.dot,
  ...op.addLanes,
  ...op.set(SUMS + n),
];

const lanes = [0, 1, 2, 3];
const four = lanes.slice(0, WIDE);

/** The body of `scan`: rows from the outer loop, 32 bytes of a row from the inner one. */
const SCAN = [
  ...op.get(COUNT),
  ...op.isZero,
  ...op.returnIf,
  ...op.loopWhile([
    ...four.flatMap((n) => [...op.vectorZero, ...op.set(SUMS + n)]),
    ...[...op.get(DIMS), ...op.set(REST), ...op.get(QUERY), ...op.set(AT)],
    ...op.loopWhile([
      ...four.flatMap(step),
      ...[...op.get(ROWS), ...op.const(8 * WIDE), ...op.add, ...op.set(ROWS)],
      ...[...op.get(AT), ...op.const(16 * WIDE), ...op.add, ...op.set(AT)],
      ...[...op.get(REST), ...op.const(8 * WIDE), ...op.sub, ...op.tee(REST)],
    ]),
    ...op.get(OUT),
    ...[...op.get(SUMS), ...op.get(SUMS + 1), ...op.addLanes, ...op.get(SUMS + 2), ...op.get(SUMS + 3), ...op.addLanes, ...op.addLanes],
    ...op.tee(SUMS),
    ...lanes.flatMap((lane) => (lane === 0 ? op.lane(lane) : [...op.get(SUMS), ...op.lane(lane), ...op.add])),
    ...op.store(0),
    ...[...op.get(OUT), ...op.const(4), ...op.add, ...op.set(OUT)],
    ...[...op.get(COUNT), ...op.const(1), ...op.sub, ...op.tee(COUNT)],
  ]),
];

const FUNCTIONS: readonly WasmFunction[] = [
  { name: "scan", params: ["i32", "i32", "i32", "i32", "i32"], locals: ["i32", "i32", "v128", "v128", "v128", "v128"], body: SCAN },
];

/** Makes a memory of at most `maxBytes` with the kernel over it. */
export function openKernel(maxBytes: number): { readonly memory: WasmMemory; readonly scan: ScanRows } {
  const { memory, exports } = openModule(FUNCTIONS, maxBytes);
  return { memory, scan: (exports as { readonly scan: ScanRows }).scan };
}
