import { keepStandings } from "@slowboat/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../../testing/api.ts";

// The door plans with what the planner has learned, ten seconds old at most.

const START = Date.parse("2026-11-25T22:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let api: TestIntake;
beforeEach(async () => {
  api = await startIntake({ lanes: ["openai-batch", "openai"], startMs: START });
});
afterEach(() => api.stop());

const body = { model: "gpt-5-mini", max_completion_tokens: 100, messages: [{ role: "user", content: "Name a river." }] };
/** What was learned is looked at again. */
const later = (): void => api.clock.advance(10_000);
/** A lesson holds for five minutes, here as in the planner. */
const lessonLater = (): void => api.clock.advance(6 * MINUTE);
const quote = async (terms: object = {}) => {
  const reply = await api.tenant.call("POST", "/v1/quote", { body, deadline: "4h", allow: ["batch"], ...terms });
  expect(reply.status, reply.text).toBe(200);
  return reply.json;
};
// biome-ignore lint/suspicious/noExplicitAny: a test reads replies as a stranger would.
const minutesTo = (reply: any, lane: string, which: "p50_finish" | "p90_finish"): number =>
  (Date.parse(reply.lanes.find((one: { lane: string }) => one.lane === lane)[which]) - api.clock.job()) / MINUTE;
const submit = (terms: object) => api.tenant.call("POST", "/v1/jobs", { body, ...terms });

/** Batches of the lane that took so long, one every half an hour until an hour ago. */
async function batchesTook(ms: number, count = 80): Promise<void> {
  for (let i = 0; i < count; i++) {
    const sentAtMs = api.clock.job() - ms - HOUR - i * 30 * MINUTE;
    await api.store.sql`
      insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, created_at_ms, submitted_at_ms, ended_at_ms)
      values (${`dsp_${String(i).padStart(4, "0")}`}, 'openai-batch', 'test', '/v1/chat/completions', 'gpt-5-mini', 'done', 10, false, 0, ${sentAtMs}::float8,
        ${sentAtMs}::float8, ${sentAtMs + ms}::float8)`;
  }
}

test("after lessons of a slow lane a quote says so, and what was likely is turned away with the time that it would take", async () => {
  const terms = { deadline: "80m" };
  const before = await quote(terms);
  expect(minutesTo(before, "openai-batch", "p50_finish")).toBeLessThan(15);
  expect(before.admission.class).toBe("likely");
  expect((await submit({ ...terms, allow: ["batch"], admission: "likely" })).status).toBe(202);
  await batchesTook(100 * MINUTE);
  expect(await quote(terms)).toMatchObject({ admission: { class: "likely" } });
  lessonLater();
  const after = await quote(terms);
  expect(minutesTo(after, "openai-batch", "p50_finish")).toBeGreaterThan(75);
  expect(minutesTo(after, "openai-batch", "p90_finish")).toBeGreaterThan(minutesTo(before, "openai-batch", "p90_finish") + 3);
  expect(after).toMatchObject({ admission: null, refusals: [{ code: "deadline-infeasible" }] });
  expect((Date.parse(after.refusals[0].earliest_feasible_deadline) - api.clock.job()) / MINUTE).toBeGreaterThan(75);
  expect((await submit({ ...terms, allow: ["batch"], admission: "likely" })).json.error.code).toBe("deadline_infeasible");
});

test("work that only batches may do is refused at the door once they are known to take too long, and what real time may do is not", async () => {
  const terms = { allow: ["batch"], deadline: "80m" };
  expect((await submit(terms)).status).toBe(202);
  await batchesTook(100 * MINUTE);
  lessonLater();
  const refused = await submit(terms);
  expect(refused.json.error).toMatchObject({ code: "deadline_infeasible", param: "deadline" });
  expect(Date.parse(refused.json.error.earliest_feasible_deadline)).toBeGreaterThan(api.clock.job() + 75 * MINUTE);
  expect((await submit({ ...terms, allow: ["batch", "realtime"] })).status).toBe(202);
  const line = JSON.stringify({ custom_id: "a", method: "POST", url: "/v1/chat/completions", body });
  const file = await api.tenant.openai.files.create({ purpose: "batch", file: new File([line], "in.jsonl") });
  const batch = await api.tenant.openai.batches.create({
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { allow: "batch", deadline: "80m" },
  });
  await api.run(batch.id);
  expect((await api.tenant.openai.batches.retrieve(batch.id)).errors?.data?.[0]?.code).toBe("deadline_infeasible");
});

test("in an incident, in which batches promise nothing at all, what is usually possible is taken in as it comes, and not promised", async () => {
  await batchesTook(6 * HOUR);
  const terms = { allow: ["batch"], deadline: "24h" };
  expect((await submit({ ...terms, admission: "likely" })).json.error).toMatchObject({ code: "deadline_infeasible" });
  expect((await submit(terms)).status).toBe(202);
});

test("a lane whose account is parked is neither quoted as eligible nor promised", async () => {
  const terms = { allow: ["realtime"], deadline: "20m", admission: "guaranteed" };
  expect((await submit(terms)).status).toBe(202);
  await api.store.sql`
    insert into lane_parking (lane, account, code, until_ms, times) values ('openai', 'test', 'insufficient_quota', ${api.clock.job() + HOUR}, 1)`;
  later();
  expect((await submit(terms)).json.error).toMatchObject({ code: "lane_unavailable", message: expect.stringContaining("insufficient_quota") });
  expect((await quote({ allow: ["realtime"] })).lanes.find((one: { lane: string }) => one.lane === "openai")).toMatchObject({ eligible: false });
});

test("limits that only the planner's own calls have met bound what is promised, and are forgotten when no planner confirms them", async () => {
  const terms = { allow: ["realtime"], deadline: "5m", admission: "guaranteed" };
  const standing = { available: true, callMs: 0, rates: { "gpt-5-mini": { perSecond: 1 / 600, waiting: 0 } } };
  await keepStandings(api.store.sql, [{ lane: "openai", account: "test", content: JSON.stringify(standing), atRealMs: api.clock.real() }]);
  const refused = await submit(terms);
  expect(refused.status, refused.text).toBe(409);
  expect(refused.json.error.code).toBe("admission_infeasible");
  api.clock.advance(11 * MINUTE);
  expect((await submit(terms)).status).toBe(202);
});

test("a lane that the planner finds away is not promised for a minute", async () => {
  const terms = { allow: ["realtime"], deadline: "20m", admission: "guaranteed" };
  const standing = { available: false, away: "its account refuses everything", rates: {} };
  await keepStandings(api.store.sql, [{ lane: "openai", account: "test", content: JSON.stringify(standing), atRealMs: api.clock.real() }]);
  expect((await submit(terms)).json.error.code).toBe("lane_unavailable");
  api.clock.advance(MINUTE);
  expect((await submit(terms)).status).toBe(202);
});

test("a learned quota of enqueued tokens puts off what a quote says of its lane, and what does not fit in time is not promised", async () => {
  const before = await quote();
  await api.store.sql`
    insert into enqueued_quota (lane, account, model, limit_tokens, told_tokens, learned_at_ms) values ('openai-batch', 'test', 'gpt-5-mini', 1000, 1000, ${api.clock.job()})`;
  await api.store.sql`
    insert into dispatch (id, lane, account, endpoint, model, state, jobs, emulated, enqueued_real_ms, created_at_ms, submitted_at_ms, input_tokens, provider_status)
    values ('dsp_out', 'openai-batch', 'test', '/v1/chat/completions', 'gpt-5-mini', 'submitted', 1, false, 0, ${api.clock.job()}, ${api.clock.job()}, 1000, 'in_progress')`;
  later();
  const after = await quote();
  expect(minutesTo(after, "openai-batch", "p50_finish")).toBeGreaterThan(minutesTo(before, "openai-batch", "p50_finish") + 15);
  expect((await submit({ allow: ["batch"], deadline: "70m", admission: "likely" })).status).toBe(409);
});

test("of a work that is larger than its quota the first lines are quoted in batches, and those whose turn comes too late in real time", async () => {
  const requests = Array.from({ length: 200 }, (_, i) => ({
    body: { ...body, messages: [{ role: "user", content: `${"word ".repeat(200)}${i}` }] },
  }));
  const work = { body: undefined, requests, allow: ["batch", "realtime"], deadline: "80m" };
  expect((await quote(work)).plan.lanes).toEqual([{ lane: "openai-batch", requests: 200 }]);
  await api.store.sql`
    insert into enqueued_quota (lane, account, model, limit_tokens, told_tokens, learned_at_ms) values ('openai-batch', 'test', 'gpt-5-mini', 10000, 10000, ${api.clock.job()})`;
  later();
  const lanes = new Map((await quote(work)).plan.lanes.map((one: { lane: string; requests: number }) => [one.lane, one.requests]));
  expect(lanes.get("openai-batch")).toBeGreaterThan(20);
  expect(lanes.get("openai")).toBeGreaterThan(50);
});
