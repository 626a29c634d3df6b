import { batchCdf } from "@slowboat/plan";
import { replanJobs } from "@slowboat/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLessons } from "./lessons.ts";
import { HOUR, openWorld, type World } from "./testing/world.ts";

const MINUTE = 60_000;
let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const LANES = [{ id: "openai-batch", emulated: true }];

/** Writes batches that were sent half an hour apart, the last one an hour ago. */
async function batches(count: number, tookMs: number, over: { cancelled?: boolean; lane?: string; emulated?: boolean } = {}): Promise<void> {
  const nowMs = world.clock.job();
  for (let i = 0; i < count; i++) {
    const sentAtMs = nowMs - HOUR - i * 30 * MINUTE;
    const id = `dsp_${over.cancelled ? "c" : "e"}${over.lane ?? ""}${over.emulated === false ? "r" : ""}${String(i).padStart(4, "0")}`;
    await world.database.store.sql`
      insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, created_at_ms, submitted_at_ms, ended_at_ms, cancel_at_ms)
      values (${id}, ${over.lane ?? "openai-batch"}, 'a', '/v1/chat/completions', 'gpt-5-mini', 'done', 10, ${over.emulated ?? true}, 0, ${sentAtMs}::float8,
        ${sentAtMs}::float8, ${sentAtMs + tookMs}::float8, ${over.cancelled ? sentAtMs + tookMs - MINUTE : null}::float8)`;
  }
}
const learned = () => createLessons().of(world.database.store.sql, LANES, world.clock.job());

test("a lane is planned with the prior until fifty of its own batches have ended, others' and emulated ones apart", async () => {
  await batches(49, 20 * MINUTE);
  await batches(60, 20 * MINUTE, { cancelled: true });
  await batches(60, 20 * MINUTE, { lane: "anthropic-batch" });
  await batches(60, 20 * MINUTE, { emulated: false });
  expect((await learned()).size).toBe(0);
});

test("a lane whose batches take twenty minutes is not expected to bring one within ten", async () => {
  await batches(80, 20 * MINUTE);
  const lesson = (await learned()).get("openai-batch");
  if (lesson === undefined) throw new Error("nothing was learned");
  expect(batchCdf(10 * MINUTE, 10, lesson)).toBeLessThan(0.4 * batchCdf(10 * MINUTE, 10));
  expect(batchCdf(30 * MINUTE, 10, lesson)).toBeGreaterThan(0.85);
});

test("a job whose lane refused it is looked at again by its latest start, however long the lane asks to wait", async () => {
  const [jobId = ""] = await world.accept(1, { deadlineAtMs: world.clock.job() + 10 * MINUTE });
  const nowMs = world.clock.job();
  await world.database.store
    .sql`update job set state = 'placed', attempt_id = 'att_1', next_decision_at_ms = ${nowMs + 5_000}::float8 where id = ${jobId}`;
  await replanJobs(world.database.store.sql, [{ jobId, attemptId: "att_1", atMs: nowMs + 4 * MINUTE }], nowMs);
  const [row] = await world.rows<{ state: string; at: number }>("job", 'state, next_decision_at_ms as "at"');
  expect(row).toEqual({ state: "accepted", at: nowMs + 5_000 });
});
