import { afterAll, beforeAll, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../testing/api.ts";

const START = Date.parse("2026-11-25T22:00:00Z");
/** Too little time for a batch: real time from the start. */
const SOON = { allow: ["batch", "realtime"], deadline: "10m" };
let api: TestIntake;
beforeAll(async () => {
  // One call at a time: some eight seconds of real time a job.
  api = await startIntake({ lanes: ["openai-batch", "openai"], startMs: START, calls: 1 });
});
afterAll(async () => await api.stop());

const job = (i: number, more: object = {}) => ({
  body: { model: "gpt-5-mini", max_completion_tokens: 100, messages: [{ role: "user", content: `Number ${i}.` }] },
  deadline: "1h",
  ...more,
});

test("what is accepted without a class is best effort, as it always was, and takes nothing from the book", async () => {
  const reply = await api.tenant.call("POST", "/v1/jobs", job(0));
  expect(reply.json).toMatchObject({ state: "accepted", admission: "best_effort" });
  expect(await api.store.sql`select 1 from promise`).toHaveLength(0);
});

test("a class that is no class, and one without a deadline, are refused by name", async () => {
  expect((await api.tenant.call("POST", "/v1/jobs", job(1, { admission: "sure" }))).json.error).toMatchObject({ param: "admission" });
  const without = await api.tenant.call("POST", "/v1/jobs", { ...job(1, { admission: "likely" }), deadline: undefined });
  expect(without.json.error).toMatchObject({ param: "deadline" });
});

test("many at once are promised no more capacity than there is; who is refused is told a deadline with which it is taken, and the class is shown", async () => {
  const replies = await Promise.all(
    Array.from({ length: 90 }, (_, i) => api.tenant.call("POST", "/v1/jobs", job(100 + i, SOON), { "slowboat-admission": "guaranteed" })),
  );
  const taken = replies.filter((reply) => reply.status === 202);
  const refused = replies.filter((reply) => reply.status === 409);
  expect(taken.length + refused.length).toBe(90);
  expect(taken.every((reply) => reply.json.admission === "guaranteed")).toBe(true);
  // Ten minutes of one call at a time hold some sixty of them.
  const [sum] = await api.store.sql<{ work: number; n: number }[]>`select sum(work_ms) as work, count(*)::int as n from promise`;
  expect(sum?.n).toBe(taken.length);
  expect(sum?.work).toBeLessThanOrEqual(600_000);
  expect(sum?.work).toBeGreaterThan(200_000);
  const { error } = refused[0]?.json ?? {};
  expect(error).toMatchObject({ code: "admission_infeasible", param: "deadline" });
  expect(Number(error.cheapest_feasible_price_usd)).toBeGreaterThan(0);
  const later = await api.tenant.call(
    "POST",
    "/v1/jobs",
    job(900, {
      allow: ["batch", "realtime"],
      admission: "guaranteed",
      deadline: error.earliest_feasible_deadline,
      max_cost_usd: error.cheapest_feasible_price_usd,
    }),
  );
  expect(later.status, later.text).toBe(202);
  const shown = await api.tenant.call("GET", `/v1/jobs/${later.json.id}`);
  expect(shown.json.admission).toBe("guaranteed");
  // The rest is taken as it comes.
  expect((await api.tenant.call("POST", "/v1/jobs", job(901))).status).toBe(202);
});

test("a job that has ended gives its promise back", async () => {
  const ask = () => api.tenant.call("POST", "/v1/jobs", job(950, { ...SOON, admission: "guaranteed" }));
  expect((await ask()).status).toBe(409);
  await api.store.sql`update job set state = 'completed' where id in (select subject_id from promise order by deadline_at_ms limit 20)`;
  expect((await ask()).status).toBe(202);
});

test("a batch is promised as a whole, or fails with what would be possible", async () => {
  const text = Array.from({ length: 900 }, (_, i) =>
    JSON.stringify({ custom_id: `n${i}`, method: "POST", url: "/v1/chat/completions", body: job(2000 + i).body }),
  ).join("\n");
  const file = await api.tenant.openai.files.create({ purpose: "batch", file: new File([text], "in.jsonl") });
  const make = async (deadline: string) => {
    const batch = await api.tenant.openai.batches.create({
      input_file_id: file.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
      metadata: { admission: "guaranteed", deadline },
    });
    await api.run(batch.id);
    return await api.tenant.openai.batches.retrieve(batch.id);
  };
  const failed = await make("1h");
  expect(failed.status).toBe("failed");
  expect(failed.errors?.data?.[0]?.code).toBe("admission_infeasible");
  const made = await make("20h");
  expect(made.status).toBe("in_progress");
  const [line] = await api.store.sql<{ admission: string }[]>`select admission from job where batch_id = ${made.id} limit 1`;
  expect(line?.admission).toBe("guaranteed");
});
