import { assert } from "@slowboat/kernel";
import { type Blocks, LEAST_ROWS, MOST_ROWS, TOP_ORDER } from "./blocks.ts";
import { unitScale } from "./quantize.ts";

/** Takes the product of a row that was scanned: its id and its similarity. */
export type OnRow = (id: number, similarity: number) => void;

/** Rows that are scanned together, in blocks that grow as the arena does: 16, 16, 32 … 2,048, then 4,096 rows each. */
export interface Arena {
  count(): number;
  /** Appends a row and returns its place; `null` where the memory is full. */
  append(id: number, codes: Int8Array): number | null;
  /** Takes a row out by putting the last one in its place; returns the id that moved there, or `null` where it was the last. */
  takeOut(row: number): number | null;
  id(row: number): number;
  codes(row: number): Int8Array;
  /** Scans all rows with the query that lies in the memory, whose codes have `queryScale` as their unit scale. */
  scan(queryScale: number, onRow: OnRow): void;
  clear(): void;
}

const orderOf = (block: number): number => (block === 0 ? 0 : Math.min(block - 1, TOP_ORDER));
/** Which block a row lies in, and the row at which that block begins. */
function placeOf(row: number): { readonly block: number; readonly first: number } {
  if (row < LEAST_ROWS) return { block: 0, first: 0 };
  if (row < MOST_ROWS) {
    const power = 31 - Math.clz32(row / LEAST_ROWS);
    return { block: power + 1, first: LEAST_ROWS << power };
  }
  const further = Math.floor(row / MOST_ROWS) - 1;
  return { block: TOP_ORDER + 1 + further, first: (further + 1) * MOST_ROWS };
}

export function createArena(blocks: Blocks): Arena {
  const { dims } = blocks;
  const addresses: number[] = [];
  let ids = new Float64Array(LEAST_ROWS);
  let scales = new Float32Array(LEAST_ROWS);
  let count = 0;

  const addressOf = (row: number): number => {
    const { block, first } = placeOf(row);
    return (addresses[block] as number) + (row - first) * dims;
  };
  const room = (): boolean => {
    const { block, first } = placeOf(count);
    if (count === first && addresses.length === block) {
      const address = blocks.take(orderOf(block));
      if (address === null) return false;
      addresses.push(address);
    }
    if (count === ids.length) {
      ids = grown(ids, new Float64Array(2 * count));
      scales = grown(scales, new Float32Array(2 * count));
    }
    return true;
  };
  const drop = (): void => {
    count--;
    const { block, first } = placeOf(count);
    if (count !== first) return;
    const address = addresses.pop();
    assert(address !== undefined && addresses.length === block, "the last row lies in the last block");
    blocks.give(address, orderOf(block));
  };
  return {
    count: () => count,
    append: (id, codes) => {
      assert(codes.length === dims, `a vector has ${dims} dimensions`);
      if (!room()) return null;
      blocks.bytes().set(codes, addressOf(count));
      ids[count] = id;
      scales[count] = unitScale(codes);
      return count++;
    },
    takeOut: (row) => {
      const last = count - 1;
      const moved = row === last ? null : (ids[last] as number);
      if (moved !== null) {
        const from = addressOf(last);
        blocks.bytes().copyWithin(addressOf(row), from, from + dims);
        ids[row] = moved;
        scales[row] = scales[last] as number;
      }
      drop();
      return moved;
    },
    id: (row) => ids[row] as number,
    codes: (row) => {
      const at = addressOf(row);
      return blocks.bytes().slice(at, at + dims);
    },
    scan: (queryScale, onRow) => {
      for (const [block, address] of addresses.entries()) {
        const first = block === 0 ? 0 : block <= TOP_ORDER ? LEAST_ROWS << (block - 1) : (block - TOP_ORDER) * MOST_ROWS;
        const rows = Math.min(LEAST_ROWS << orderOf(block), count - first);
        blocks.scan(blocks.query, address, rows, dims, blocks.products);
        const products = blocks.words();
        const at = blocks.products / 4;
        for (let row = 0; row < rows; row++) {
          onRow(ids[first + row] as number, (products[at + row] as number) * (scales[first + row] as number) * queryScale);
        }
      }
    },
    clear: () => {
      for (const [block, address] of addresses.entries()) blocks.give(address, orderOf(block));
      addresses.length = 0;
      count = 0;
      ids = new Float64Array(LEAST_ROWS);
      scales = new Float32Array(LEAST_ROWS);
    },
  };
}

function grown<T extends Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(from: T, to: T): T {
  to.set(from);
  return to;
}
