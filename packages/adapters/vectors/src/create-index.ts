import { type Arena, createArena } from "./arena.ts";
import { type Blocks, openBlocks } from "./blocks.ts";
import { type Cells, makeCells } from "./cells.ts";
import { type Near, nearest } from "./nearest.ts";
import { type Codes, unitScale } from "./quantize.ts";

/** The nearest vectors of a namespace; a namespace is a storage of its own, so that nothing outside it can ever be found. */
export interface VectorIndex {
  /** Adds a vector, or puts it in the place of the one with this id. False where the memory is full: it will not be found. */
  upsert(namespace: string, id: number, vector: Codes): boolean;
  remove(namespace: string, id: number): void;
  /** The nearest `k` by cosine, best first; empty for a namespace that is not held. */
  topK(namespace: string, vector: Codes, k: number): Near[];
  /** Whether a namespace is held. One that was dropped for want of memory is not, and must be filled anew. */
  has(namespace: string): boolean;
  /** Holds a namespace, empty at first. */
  open(namespace: string): void;
  drop(namespace: string): void;
  /** Vectors of a namespace. */
  size(namespace: string): number;
  stats(): { readonly namespaces: number; readonly bytes: number };
}

/** How an index is opened. */
export interface IndexOptions {
  readonly dims: number;
  /** Bytes of vectors in all. The namespaces that were asked least recently are dropped for new ones. */
  readonly maxBytes: number;
  /** Vectors of one namespace above which its rows are sorted into cells. Up to here a scan takes less than the event loop may be held. */
  readonly flatRows?: number;
}

/**
 * 131,072 rows of 512 dimensions take 3 to 4 ms of one core: as long as the event loop may be held. Above it a look takes the centroids and an eighth
 * of the cells, and so some 4 ms for a million vectors: no thread of its own is needed, whose two hops would cost every small look more than it takes.
 */
const FLAT_ROWS = 131_072;

interface Space {
  /** Rows that are in no cell: all of them in a namespace that is not sorted. */
  readonly loose: Arena;
  cells: Cells | null;
  /** Centroids on their way, a little with each row that comes. */
  making: Generator<void, Cells | null> | null;
  /** Loose rows above which cells are made. */
  flatRows: number;
  /** Where each id lies: cell, or -1 for the loose rows, and row. */
  readonly where: Map<number, number>;
}

/** Rows that an arena may have, as a factor of the place's number. */
const ROWS_MAX = 2 ** 32;
const placeOf = (cell: number, row: number): number => (cell + 1) * ROWS_MAX + row;
const cellOf = (place: number): number => Math.floor(place / ROWS_MAX) - 1;
const rowOf = (place: number): number => place % ROWS_MAX;

/** Opens an index: int8 rows in one WebAssembly memory, compared by brute force, and by cells where a namespace is large. */
export function createVectorIndex({ dims, maxBytes, flatRows = FLAT_ROWS }: IndexOptions): VectorIndex {
  const blocks = openBlocks(dims, maxBytes);
  // In the order of use: the first is the one that was used least recently.
  const spaces = new Map<string, Space>();
  const touch = (namespace: string): Space | undefined => {
    const space = spaces.get(namespace);
    if (space === undefined) return undefined;
    spaces.delete(namespace);
    spaces.set(namespace, space);
    return space;
  };
  const drop = (namespace: string): void => {
    const space = spaces.get(namespace);
    space?.loose.clear();
    space?.cells?.clear();
    space?.making?.return(null);
    spaces.delete(namespace);
  };
  const open = (namespace: string): Space => {
    const known = touch(namespace);
    if (known !== undefined) return known;
    const space: Space = { loose: createArena(blocks), cells: null, making: null, flatRows, where: new Map() };
    spaces.set(namespace, space);
    return space;
  };
  const removeFrom = (space: Space, id: number): void => {
    const place = space.where.get(id);
    if (place === undefined) return;
    space.where.delete(id);
    const arena = arenaOf(space, cellOf(place));
    const moved = arena.takeOut(rowOf(place));
    if (moved !== null) space.where.set(moved, place);
  };
  return {
    upsert: (namespace, id, { codes }) => {
      const space = open(namespace);
      removeFrom(space, id);
      const cell = space.cells === null ? -1 : space.cells.nearest(codes);
      const arena = arenaOf(space, cell);
      let row = arena.append(id, codes);
      while (row === null) {
        const [oldest] = spaces.keys();
        if (oldest === undefined || oldest === namespace) return false;
        drop(oldest);
        row = arena.append(id, codes);
      }
      space.where.set(id, placeOf(cell, row));
      sortSome(blocks, space);
      return true;
    },
    remove: (namespace, id) => {
      const space = spaces.get(namespace);
      if (space !== undefined) removeFrom(space, id);
    },
    topK: (namespace, { codes }, k) => {
      const space = touch(namespace);
      if (space === undefined || space.where.size === 0) return [];
      const best = nearest(k);
      blocks.shorts().set(codes, blocks.query / 2);
      const scale = unitScale(codes);
      space.cells?.scan(scale, best.offer);
      space.loose.scan(scale, best.offer);
      return best.taken();
    },
    has: (namespace) => spaces.has(namespace),
    open: (namespace) => void open(namespace),
    drop,
    size: (namespace) => spaces.get(namespace)?.where.size ?? 0,
    stats: () => ({ namespaces: spaces.size, bytes: blocks.usedBytes() }),
  };
}

const arenaOf = (space: Space, cell: number): Arena => (cell < 0 || space.cells === null ? space.loose : space.cells.arena(cell));

/** Loose rows that move into their cells with each new row of a namespace that is being sorted: half a millisecond. */
const MOVED_A_TIME = 32;

/** Begins to sort a namespace that has become large, and goes on a little with each row that comes. */
function sortSome(blocks: Blocks, space: Space): void {
  if (space.cells === null) {
    if (space.making === null && space.loose.count() <= space.flatRows) return;
    space.making ??= makeCells(blocks, space.loose);
    const { done, value } = space.making.next();
    if (!done) return;
    space.making = null;
    space.cells = value ?? null;
    space.flatRows *= 2;
    return;
  }
  for (let moved = 0; moved < MOVED_A_TIME && space.loose.count() > 0; moved++) {
    const last = space.loose.count() - 1;
    const codes = space.loose.codes(last);
    const id = space.loose.id(last);
    const cell = space.cells.nearest(codes);
    const row = space.cells.arena(cell).append(id, codes);
    if (row === null) return;
    space.loose.takeOut(last);
    space.where.set(id, placeOf(cell, row));
  }
}
