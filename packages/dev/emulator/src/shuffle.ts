import type { Rng } from "@slowboat/kernel";

/** Rows held back so that the order of results says nothing about the order of requests. */
const WINDOW = 2_048;

/** Emits what it is given in a seeded random order, holding at most a window of rows. */
export function shuffler<T>(rng: Rng, emit: (row: T) => void): { add(row: T): void; end(): void } {
  const held: T[] = [];
  const takeOne = (): void => {
    const at = Math.floor(rng.float() * held.length);
    const row = held[at];
    const last = held.pop();
    if (row === undefined || last === undefined) return;
    if (at < held.length) held[at] = last;
    emit(row);
  };
  return {
    add: (row) => {
      held.push(row);
      if (held.length > WINDOW) takeOne();
    },
    end: () => {
      while (held.length > 0) takeOne();
    },
  };
}
