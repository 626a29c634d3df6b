import { POLICY } from "@slowboat/plan";
import { readShadow } from "@slowboat/store";
import { afterEach, expect, test } from "vitest";
import { createShadow, planDue } from "./index.ts";
import { EVENING, HOUR, openWorld, type World } from "./testing/world.ts";

let world: World;
afterEach(() => world.close());

test("a shadow policy decides everything as well, is counted beside the live one, and changes nothing that runs", async () => {
  world = await openWorld();
  // A policy to which any waste is ruinous leaves the batches.
  const shadow = createShadow({ ...POLICY, wasteCancelled: 30, wasteHedged: 30, wasteCall: 30 }, '{"wasteCancelled":30}', () => 0);
  await world.accept(12, { lanesAllow: ["openai-batch", "openai"], deadlineAtMs: EVENING + HOUR });
  await planDue({ ...world.planDeps, shadow }, new AbortController().signal);
  const rows = await readShadow(world.database.store.sql);
  expect(rows.map(({ lane, shadowLane, decisions }) => ({ lane, shadowLane, decisions }))).toEqual([
    { lane: "openai-batch", shadowLane: "openai", decisions: 12 },
  ]);
  expect(rows[0]?.policy).toBe('{"wasteCancelled":30}', () => 0);
  expect(rows[0]?.expectedNano).toBeGreaterThan(0n);
  expect(rows[0]?.shadowExpectedNano).toBeGreaterThan(rows[0]?.expectedNano ?? 0n);
  const placed = await world.rows<{ lane: string }>("attempt", "lane");
  expect(new Set(placed.map(({ lane }) => lane))).toEqual(new Set(["openai-batch"]));
});

test("what a shadow policy costs a look is bounded: once its time is spent nothing more is decided under it until the next", async () => {
  world = await openWorld();
  let clock = 0;
  // Each reading of this clock is 15 ms later than the one before: a decision takes 15 ms of it.
  const shadow = createShadow(POLICY, "{}", () => (clock += 15));
  const plan = () => planDue({ ...world.planDeps, shadow }, new AbortController().signal);
  const counted = async (): Promise<number> => (await readShadow(world.database.store.sql)).reduce((sum, row) => sum + row.decisions, 0);
  await world.accept(20);
  await plan();
  expect(await counted()).toBe(4);
  await world.accept(20);
  await plan();
  expect(await counted()).toBe(8);
});
