import { expect, test } from "vitest";
import { groupCommit } from "./group-commit.ts";

/** A flush that is held open until told. */
function held(): { flush: (items: readonly number[]) => Promise<string[]>; groups: number[][]; release: () => Promise<void>; most: () => number } {
  const groups: number[][] = [];
  const open: (() => void)[] = [];
  let running = 0;
  let most = 0;
  return {
    groups,
    most: () => most,
    flush: async (items) => {
      groups.push([...items]);
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => open.push(resolve));
      running--;
      return items.map((item) => `saved ${item}`);
    },
    release: async () => {
      while (open.length > 0) {
        for (const one of open.splice(0)) one();
        await turn();
      }
    },
  };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("a lone caller is flushed in the same turn of the loop", async () => {
  const { flush, groups, release } = held();
  const save = groupCommit(flush, { maxItems: 10, maxInFlight: 1 });
  const saved = save(1);
  await turn();
  expect(groups).toEqual([[1]]);
  await release();
  expect(await saved).toBe("saved 1");
});

test("callers of one turn share a flush, those who come while it runs share the next, and each gets its own answer", async () => {
  const { flush, groups, release } = held();
  const save = groupCommit(flush, { maxItems: 10, maxInFlight: 1 });
  const first = [1, 2, 3].map(save);
  await turn();
  const second = [4, 5].map(save);
  await turn();
  expect(groups).toEqual([[1, 2, 3]]);
  await release();
  expect(await Promise.all([...first, ...second])).toEqual([1, 2, 3, 4, 5].map((n) => `saved ${n}`));
  expect(groups).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
});

test("no flush is larger and no more run at once than allowed", async () => {
  const { flush, groups, release, most } = held();
  const save = groupCommit(flush, { maxItems: 4, maxInFlight: 2 });
  const all = Array.from({ length: 23 }, (_, i) => save(i));
  await turn();
  expect(groups.map((group) => group.length)).toEqual([4, 4]);
  await release();
  await Promise.all(all);
  expect(most()).toBe(2);
  expect(groups.flat()).toEqual(Array.from({ length: 23 }, (_, i) => i));
  expect(Math.max(...groups.map((group) => group.length))).toBe(4);
});

test("a failed flush fails its own items and nobody else's", async () => {
  const save = groupCommit(
    async (items: readonly number[]) => {
      if (items.includes(2)) throw new Error("no connection");
      return items;
    },
    { maxItems: 2, maxInFlight: 1 },
  );
  const ends = await Promise.allSettled([1, 2, 3, 4].map(save));
  expect(ends.map((end) => end.status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
  expect(await save(5)).toBe(5);
});

test("a flush that throws before it waits, or answers for another number of items, fails its items and does not jam the rest", async () => {
  const save = groupCommit(
    (items: readonly string[]): Promise<string[]> => {
      if (items[0] === "throw") throw new Error("thrown at once");
      return Promise.resolve(items[0] === "short" ? [] : [...items]);
    },
    { maxItems: 1, maxInFlight: 1 },
  );
  await expect(save("throw")).rejects.toThrow("thrown at once");
  await expect(save("short")).rejects.toThrow("answered 0");
  expect(await save("good")).toBe("good");
});
