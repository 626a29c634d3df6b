import { assert } from "@slowboat/kernel";
import { PAGE_BYTES, type WasmMemory } from "@slowboat/wasm";
import { openKernel, type ScanRows } from "./kernel.ts";

/** Rows of the smallest block: a namespace with one entry takes 8 KiB at 512 dimensions. */
export const LEAST_ROWS = 16;
/** The largest block has `LEAST_ROWS << TOP_ORDER` rows: 4,096, which is what is taken from the memory at a time. */
export const TOP_ORDER = 8;
export const MOST_ROWS = LEAST_ROWS << TOP_ORDER;

/** One WebAssembly memory, dealt out in blocks of rows. */
export interface Blocks {
  readonly dims: number;
  readonly scan: ScanRows;
  /** Address of the query, `dims` int16. */
  readonly query: number;
  /** Address of the products of one block. */
  readonly products: number;
  /** Bytes that are dealt out. */
  usedBytes(): number;
  /** The address of a block of `LEAST_ROWS << order` rows; `null` where the memory is full. */
  take(order: number): number | null;
  give(address: number, order: number): void;
  /** Views on the memory; to be asked for anew after every `take`, which may move it. */
  bytes(): Int8Array<ArrayBuffer>;
  words(): Int32Array<ArrayBuffer>;
  shorts(): Int16Array<ArrayBuffer>;
}

/**
 * Opens blocks of at most `maxBytes` in all. Blocks are halved and joined again with their other half (buddies), so that what one large
 * namespace leaves can serve many small ones and the other way round; nothing is ever moved.
 */
export function openBlocks(dims: number, maxBytes: number): Blocks {
  assert(dims % 32 === 0, `${dims} dimensions are a multiple of 32`);
  const query = 0;
  const products = Math.ceil((2 * dims) / 16) * 16;
  const base = Math.ceil((products + 4 * MOST_ROWS) / PAGE_BYTES) * PAGE_BYTES;
  const regionBytes = MOST_ROWS * dims;
  const { memory, scan } = openKernel(base + maxBytes);
  memory.grow(base / PAGE_BYTES - 1);
  let end = base;
  let used = 0;
  const free: Set<number>[] = Array.from({ length: TOP_ORDER + 1 }, () => new Set());
  const bytesOf = (order: number): number => (LEAST_ROWS << order) * dims;
  const freeOf = (order: number): Set<number> => free[order] as Set<number>;

  const take = (order: number): number | null => {
    for (let larger = order; larger <= TOP_ORDER; larger++) {
      const [found] = freeOf(larger);
      if (found === undefined) continue;
      freeOf(larger).delete(found);
      // What is too large is halved; the upper half stays free.
      for (let size = larger - 1; size >= order; size--) freeOf(size).add(found + bytesOf(size));
      used += bytesOf(order);
      return found;
    }
    if (end - base + regionBytes > maxBytes) return null;
    growTo(memory, end + regionBytes);
    freeOf(TOP_ORDER).add(end);
    end += regionBytes;
    return take(order);
  };
  const give = (address: number, order: number): void => {
    used -= bytesOf(order);
    let [at, size] = [address, order];
    while (size < TOP_ORDER) {
      const offset = (at - base) % regionBytes;
      const buddy = Math.floor(offset / bytesOf(size)) % 2 === 0 ? at + bytesOf(size) : at - bytesOf(size);
      if (!freeOf(size).delete(buddy)) break;
      at = Math.min(at, buddy);
      size++;
    }
    freeOf(size).add(at);
  };
  const view = <T>(make: (buffer: ArrayBuffer) => T): (() => T) => {
    let of: ArrayBuffer | null = null;
    let made: T;
    return () => {
      if (of !== memory.buffer) {
        of = memory.buffer;
        made = make(of);
      }
      return made;
    };
  };
  return {
    dims,
    scan,
    query,
    products,
    usedBytes: () => used,
    take,
    give,
    bytes: view((buffer) => new Int8Array(buffer)),
    words: view((buffer) => new Int32Array(buffer)),
    shorts: view((buffer) => new Int16Array(buffer)),
  };
}

function growTo(memory: WasmMemory, endBytes: number): void {
  const missing = Math.ceil(endBytes / PAGE_BYTES) - memory.buffer.byteLength / PAGE_BYTES;
  if (missing > 0) memory.grow(missing);
}
