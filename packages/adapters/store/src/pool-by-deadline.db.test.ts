import { type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { addShadow, insertDispatches, leaseFirstDue, readPoolLine, readShadow, shadowReports } from "./index.ts";

const NOW = Date.UTC(2026, 10, 25);
const MINUTE = 60_000;
const LEASE_MS = 15_000;
let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  await database.store.sql`delete from dispatch`;
});

const put = async (id: string, dueAtMs: number, workTokens: number, lane = "pool"): Promise<void> =>
  insertDispatches(
    database.store.sql,
    [
      {
        id,
        lane,
        account: "a",
        endpoint: "/v1/embeddings",
        model: "m",
        jobs: 1,
        inputTokens: 0,
        emulated: false,
        createdAtMs: NOW,
        dueAtMs,
        workTokens,
      },
    ],
    NOW,
  );
const next = (bellFor: string, realMs = NOW) => leaseFirstDue(database.store.sql, { lane: "pool", bellFor, realMs, leaseMs: LEASE_MS });

test("whichever chunk of the pool a bell names, the one that is due first is taken, and each of them once", async () => {
  await put("dsp_late", NOW + 60 * MINUTE, 10);
  await put("dsp_soon", NOW + MINUTE, 10);
  await put("dsp_mid", NOW + 5 * MINUTE, 10);
  await put("dsp_call", NOW, 10, "openai");
  const taken = [(await next("dsp_late"))?.id, (await next("dsp_mid"))?.id, (await next("dsp_soon"))?.id];
  expect(taken).toEqual(["dsp_soon", "dsp_mid", "dsp_late"]);
  expect(await next("dsp_late")).toBeNull();
});

test("a bell for a chunk whose worker died is for that one, before anything that waits", async () => {
  await put("dsp_dead", NOW + 60 * MINUTE, 10);
  expect((await next("dsp_dead"))?.id).toBe("dsp_dead");
  await put("dsp_soon", NOW + MINUTE, 10);
  expect(await next("dsp_dead", NOW + LEASE_MS + 1)).toMatchObject({ id: "dsp_dead", leaseGen: 2 });
  expect((await next("dsp_dead", NOW + LEASE_MS + 2))?.id).toBe("dsp_soon");
});

test("the pool's line is its work by the minute in which it is due, running chunks counted, other lanes not", async () => {
  await put("dsp_a", NOW + 10_000, 100);
  await put("dsp_b", NOW + 20_000, 50);
  await put("dsp_c", NOW + 3 * MINUTE, 7);
  await put("dsp_x", NOW, 1_000, "openai");
  await next("dsp_a");
  const minute = NOW / MINUTE;
  expect(await readPoolLine(database.store.sql)).toEqual([
    { minute, tokens: 150 },
    { minute: minute + 3, tokens: 7 },
  ]);
});

test("a shadow policy's counts add up over looks, by what both policies chose", async () => {
  const { sql } = database.store;
  const tally = { tenantId: "ten_a", lane: "openai", shadowLane: "openai-batch", decisions: 3, expectedNano: 30n, shadowExpectedNano: 20n };
  await addShadow(sql, { policy: "{}", nowMs: NOW, tallies: [tally, { ...tally, shadowLane: "openai" }] });
  await addShadow(sql, { policy: "{}", nowMs: NOW + 5, tallies: [{ ...tally, tenantId: "ten_b" }] });
  const rows = await readShadow(sql);
  expect(rows.find((row) => row.shadowLane === "openai-batch")).toEqual({
    policy: "{}",
    lane: "openai",
    shadowLane: "openai-batch",
    decisions: 6,
    expectedNano: 60n,
    shadowExpectedNano: 40n,
    fromMs: NOW,
    untilMs: NOW + 5,
  });
  expect(rows).toHaveLength(2);
  // Each tenant is shown its own.
  expect((await readShadow(sql, "ten_b")).map(({ decisions, fromMs }) => [decisions, fromMs])).toEqual([[3, NOW + 5]]);
  expect(shadowReports(await readShadow(sql))).toMatchObject([
    { policy: "{}", decisions: 9, agreed: 3, expectedNano: 90n, shadowExpectedNano: 60n, fromMs: NOW, untilMs: NOW + 5, differ: [{ decisions: 6 }] },
  ]);
});
