import { op, openModule, rowProducts, type WasmMemory } from "@slowboat/wasm";

/**
 * Products of one query with rows that lie one after another: `out[i] = Σ query[d] · rows[i][d]`. `query` holds `dims` int16, `rows` `count` × `dims`
 * int8, `out` takes `count` int32; all are addresses, and a multiple of 16. `dims` is a multiple of 32.
 */
export type ScanRows = (query: number, rows: number, count: number, dims: number, out: number) => void;

/** Eight bytes of a row, widened to 16 bits with their signs, beside eight 16-bit numbers of the query. */
const SCAN = rowProducts("scan", {
  rowBytes: 8,
  numbers: 8,
  loadRow: op.loadWidened,
  multiply: op.dot,
  add: op.addLanes,
  lane: op.lane,
  addOne: op.add,
  store: op.store,
});

/** Makes a memory of at most `maxBytes` with the kernel over it. */
export function openKernel(maxBytes: number): { readonly memory: WasmMemory; readonly scan: ScanRows } {
  const { memory, exports } = openModule([SCAN], maxBytes);
  return { memory, scan: (exports as { readonly scan: ScanRows }).scan };
}
