import { setImmediate as nextTurn } from "node:timers/promises";

/** Long work gives the event loop a turn after this many milliseconds. */
const SLICE_MS = 8;

/** Returns a function to await between steps: it lets other requests through when the slice is used up. */
export function slicer(): () => Promise<void> {
  let until = performance.now() + SLICE_MS;
  return async () => {
    if (performance.now() < until) return;
    await nextTurn();
    until = performance.now() + SLICE_MS;
  };
}
