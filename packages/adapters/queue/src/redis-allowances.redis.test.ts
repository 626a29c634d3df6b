import { testRedisUrl } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RedisAllowances, redisAllowances } from "./index.ts";

const fail = (error: Error): never => {
  throw error;
};
let books: RedisAllowances[];
let places = 0;
let prefix = "";
beforeEach(async () => {
  prefix = `slowboat-test-limits-${process.pid}-${++places}`;
  books = await Promise.all([1, 2].map(() => redisAllowances(testRedisUrl(), { prefix, onError: fail })));
});
afterEach(() => Promise.all(books.map((book) => book.close())));

const limits = { requestsPerMinute: 60, tokensPerMinute: 1_000, concurrency: 3 };
const ask = (id: string, over: object = {}) => ({ id, keyId: "key", limits, tokens: 10, call: true, ...over });
const at = (realMs: number) => ({ realMs, untilRealMs: realMs + 15_000 });
const book = (n: number): RedisAllowances => books[n % 2] as RedisAllowances;

test("processes that ask at once pass no limit together, and a minute fills it again", async () => {
  const granted = async (realMs: number): Promise<number> => {
    const grants = await Promise.all(
      Array.from({ length: 100 }, (_, n) => book(n).take([ask(`c${realMs}-${n}`, { call: false, tokens: 1 })], at(realMs))),
    );
    return grants.flat().filter((grant) => grant.granted).length;
  };
  expect(await granted(1_000_000)).toBe(60);
  expect(await granted(1_000_000)).toBe(0);
  expect(await granted(1_030_000)).toBe(30);
});

test("as many calls run as may, over all processes; one that ends makes room, and so does a process that died", async () => {
  const take = async (n: number, realMs: number): Promise<boolean> => (await book(n).take([ask(`c${n}`)], at(realMs)))[0]?.granted === true;
  expect([await take(1, 0), await take(2, 0), await take(3, 0), await take(4, 0)]).toEqual([true, true, true, false]);
  await book(2).end(["c2"]);
  expect([await take(5, 1_000), await take(6, 1_000)]).toEqual([true, false]);
  await book(1).renew(["c1"], 40_000);
  // c3 is renewed by nobody.
  expect([await take(7, 16_500), await take(8, 16_500), await take(9, 16_500)]).toEqual([true, true, false]);
});

test("tokens are taken as asked, and what stands is told", async () => {
  const [first] = await book(0).take([ask("a", { tokens: 900 })], at(0));
  const [second] = await book(1).take([ask("b", { tokens: 101 })], at(0));
  expect(first).toEqual({ granted: true, standing: { requests: 60, tokens: 1_000, running: 0 } });
  expect(second).toEqual({ granted: false, standing: { requests: 59, tokens: 100, running: 1 } });
});
