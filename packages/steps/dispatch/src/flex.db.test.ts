import { afterEach, expect, test } from "vitest";
import { EVENING, MINUTE, openWorld, type World } from "./testing/world.ts";

// The tier that costs half and may have no room: what a queued job makes of it.

let world: World;
afterEach(() => world.close());

const FLEX = { lanesAllow: ["openai-flex", "openai"], deadlineAtMs: EVENING + 15 * MINUTE };

interface Seen {
  readonly lane: string;
  readonly state: string;
  readonly code: string | null;
  readonly answeredAtMs: number;
}
const attempts = (): Promise<Seen[]> => world.rows<Seen>("attempt", `lane, state, error_code as code, answered_at_ms as "answeredAtMs"`);

test("a job that may wait a quarter of an hour tries flex first and pays its price", async () => {
  world = await openWorld();
  await world.accept(1, FLEX);
  await world.look();
  expect(await attempts()).toMatchObject([{ lane: "openai-flex", state: "answered" }]);
  expect((await world.emulator.invoice()).lines).toMatchObject([{ tier: "flex" }]);
});

test("flex without room refuses for nothing, is tried again, and the job is answered at the standard tier in time", async () => {
  world = await openWorld({ flexRefusals: 1 });
  await world.accept(1, FLEX);
  await world.pass(EVENING + 15 * MINUTE, 5_000);
  const seen = await attempts();
  const refused = seen.filter((row) => row.lane === "openai-flex");
  expect(refused.length).toBeGreaterThan(1);
  for (const row of refused) expect(row).toMatchObject({ state: "void", code: "resource_unavailable" });
  expect(seen.at(-1)).toMatchObject({ lane: "openai", state: "answered" });
  expect(seen.at(-1)?.answeredAtMs).toBeLessThanOrEqual(FLEX.deadlineAtMs);
  expect((await world.emulator.invoice()).lines).toMatchObject([{ tier: "standard" }]);
});

test("flex that serves the standard tier after all is charged as what it served", async () => {
  world = await openWorld();
  world.emulator.addFaults({ match: { serviceTier: "flex" }, servedTier: "default" });
  await world.accept(1, FLEX);
  await world.look();
  const [row] = await world.rows<{ answer: string }>("attempt", "answer");
  expect(JSON.parse(row?.answer ?? "")).toMatchObject({ service_tier: "default" });
  expect((await world.emulator.invoice()).lines).toMatchObject([{ tier: "standard" }]);
});
