import { newId } from "@slowboat/kernel";
import { systemRng } from "@slowboat/runtime";
import { insertJobs } from "@slowboat/store";
import { testJob, until } from "@slowboat/testkit";
import OpenAI from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../testing/api.ts";
import { roomAfterMs } from "./backlog.ts";

const MAX = 20;
let intake: TestIntake;
beforeEach(async () => {
  intake = await startIntake({ backlogMax: MAX });
});
afterEach(() => intake.stop());

const job = { endpoint: "/v1/chat/completions", body: { model: "gpt-5-mini", messages: [{ role: "user", content: "hello" }] }, deadline: "24h" };
const submit = () => intake.tenant.call("POST", "/v1/jobs", job);
const count = async (): Promise<number> => Number((await intake.store.sql<{ n: number }[]>`select count(*)::int as n from job`)[0]?.n);

/** Work that became due ten seconds ago and that nobody has planned. */
async function overdue(jobs: number): Promise<void> {
  const { tenantId, keyId } = intake.tenant;
  const atMs = intake.clock.job() - 10_000;
  const rows = Array.from({ length: jobs }, () =>
    testJob({ id: newId("job", atMs, systemRng()), tenantId, keyId, nextDecisionAtMs: atMs, acceptedAtMs: atMs }),
  );
  await insertJobs(intake.store.sql, rows);
}

test("while more is due than the house may hold, jobs and batches are a 503 that says when to come again, and what was accepted stays", async () => {
  expect((await submit()).status).toBe(202);
  await overdue(MAX + 4);
  await until(async () => (await submit()).status === 503, "the backlog is seen");
  const before = await count();
  const refused = await submit();
  expect(refused.json.error).toMatchObject({ code: "overloaded", type: "server_error" });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(refused.headers.get("x-should-retry")).toBe("true");
  const message = await intake.tenant.call("POST", "/v1/messages/batches", { requests: [] }, { "anthropic-version": "2023-06-01" });
  expect([message.status, message.json.error.type]).toEqual([503, "overloaded_error"]);
  await expect(
    intake.tenant.openai.batches.create({ input_file_id: "file-x", endpoint: "/v1/chat/completions", completion_window: "24h" }),
  ).rejects.toBeInstanceOf(OpenAI.InternalServerError);
  // Reading goes on, and nothing is lost.
  expect((await intake.tenant.call("GET", "/v1/jobs")).status).toBe(200);
  expect(await count()).toBe(before);
  await intake.store.sql`update job set next_decision_at_ms = null`;
  await until(async () => (await submit()).status === 202, "there is room again");
});

test("when to come again follows from how fast the work goes", () => {
  // 1,000 jobs that wait ten seconds: a hundred go in a second.
  expect(roomAfterMs({ jobs: 1_000, waitedMs: 10_000 }, 500)).toBe(5_000);
  expect(roomAfterMs({ jobs: 501, waitedMs: 10 }, 500)).toBe(1_000);
  expect(roomAfterMs({ jobs: 1_000, waitedMs: 3_600_000 }, 0)).toBe(600_000);
});
