import { readClock } from "@slowboat/store";
import { testDatabase } from "@slowboat/testkit";
import { expect, test } from "vitest";
import { keepTime } from "./job-time.ts";

test("time that was held runs on from where it stood, in the row, here and in what every app is told", async () => {
  const database = await testDatabase();
  const told: object[] = [];
  const heldUntilMs = Date.now() + 86_400_000;
  const first = { realAnchorMs: heldUntilMs, jobAnchorMs: 5_000_000, scale: 1000, seenRealMs: Date.now() };
  const time = keepTime(database.store, first, [{ tell: (message) => told.push(message) }]);
  expect(time.clock.job()).toBe(5_000_000);
  await time.goOn(1000);
  const row = await readClock(database.store.sql);
  expect(row).toMatchObject({ jobAnchorMs: 5_000_000, scale: 1000 });
  expect(row?.realAnchorMs).toBeLessThan(heldUntilMs);
  expect(told).toEqual([{ kind: "clock", row: time.row() }]);
  const before = time.clock.job();
  await time.goOn(1);
  expect(time.clock.scale).toBe(1);
  expect(time.row().jobAnchorMs).toBeGreaterThan(before);
  expect(time.clock.job()).toBeGreaterThanOrEqual(time.row().jobAnchorMs);
  await database.drop();
});
