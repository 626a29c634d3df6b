import fc from "fast-check";
import { expect, test } from "vitest";
import { cutWindows, packBatches } from "./windows.ts";

const lengths = fc.array(fc.integer({ min: 0, max: 1_024 }), { maxLength: 60 });
const idsOf = (length: number): number[] => Array.from({ length }, (_, i) => i);

test("windows hold every token of every text once, in order, at most 128 each", () => {
  fc.assert(
    fc.property(lengths, (sizes) => {
      const windows = cutWindows(sizes.map(idsOf));
      for (const window of windows) expect(window.ids.length).toBeLessThanOrEqual(128);
      for (const [text, size] of sizes.entries()) expect(windows.filter((w) => w.text === text).flatMap((w) => w.ids)).toEqual(idsOf(size));
    }),
    { seed: 20261125, verbose: 1 },
  );
});

test("batches hold every window once and never pad beyond the bound", () => {
  fc.assert(
    fc.property(lengths, fc.integer({ min: 128, max: 2_048 }), (sizes, maxTokens) => {
      const windows = cutWindows(sizes.map(idsOf));
      const batches = packBatches(windows, maxTokens);
      expect(new Set(batches.flat())).toEqual(new Set(windows));
      expect(batches.flat()).toHaveLength(windows.length);
      for (const batch of batches) {
        const longest = Math.max(...batch.map((w) => w.ids.length));
        expect(batch.at(-1)?.ids.length).toBe(longest);
        expect(longest * batch.length).toBeLessThanOrEqual(maxTokens);
      }
    }),
    { seed: 20261125, verbose: 1 },
  );
});
