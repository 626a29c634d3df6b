import { afterEach, expect, test } from "vitest";
import { seedTenant, type TestDatabase, testDatabase } from "./index.ts";

const open: TestDatabase[] = [];
const database = async (): Promise<TestDatabase> => {
  const made = await testDatabase();
  open.push(made);
  return made;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.drop()));
});

test("two test databases are migrated and share nothing", async () => {
  const [a, b] = await Promise.all([database(), database()]);
  await seedTenant(a.store);
  const count = async (one: TestDatabase): Promise<number> =>
    (await one.store.sql<{ n: number }[]>`select count(*)::int as n from tenant`)[0]?.n ?? -1;
  expect([await count(a), await count(b)]).toEqual([1, 0]);
});

test("a connection that a test leaves open fails the drop", async () => {
  const one = await testDatabase();
  const { openStore } = await import("@slowboat/store");
  const left = openStore(one.url, { name: "forgotten" });
  await left.sql`select 1`;
  await expect(one.drop()).rejects.toThrow("forgotten");
  await left.close().catch(() => undefined); // its server side was ended by the drop
});
