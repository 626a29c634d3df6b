import { insertAttempts, postLedger, recordResults } from "@slowboat/store";
import { watchLeaks } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../testing/api.ts";

const leaks = watchLeaks();
let intake: TestIntake;

beforeAll(async () => {
  intake = await startIntake({ emulated: true });
});
afterAll(async () => {
  await intake.stop();
  await leaks.check();
});

const chat = { model: "gpt-5-mini", messages: [{ role: "user", content: "x" }], max_completion_tokens: 5 };

/** A job that was answered and settled as the lanes and the results service leave it. */
async function settledJob(answer: string, entries: readonly { account: string; amountNano: bigint }[], priced = true): Promise<string> {
  const { tenantId } = intake.tenant;
  const nowMs = intake.clock.job();
  const { id } = (await intake.tenant.call("POST", "/v1/jobs", { body: chat })).json;
  const attemptId = `att_${id.slice(4)}`;
  await intake.store.begin(async (tx) => {
    const decision = JSON.stringify({
      lane: "openai-batch",
      reason: "least expected cost",
      latestStartAtMs: 5,
      candidates: [{ lane: "openai-batch", priceNano: "7" }],
    });
    const attempt = {
      id: attemptId,
      jobId: id,
      tenantId,
      seq: 1,
      lane: "openai-batch",
      account: "a",
      dispatchId: null,
      role: "try",
      decision,
      estimateNano: 1n,
    };
    await insertAttempts(tx, [{ ...attempt, pricesVersion: "p", emulated: true, createdAtMs: nowMs, state: "sending" }], nowMs);
    await tx`update attempt set state = 'settled', answer = ${answer}, status_code = 200, usage = '{"input":10,"cacheRead":1,"cacheWrite5m":2,"output":5}' where id = ${attemptId}`;
    await recordResults(tx, [{ jobId: id, tenantId, attemptId, source: "lane", statusCode: 200, expiresAtMs: nowMs + 1000 }], nowMs);
    const txn = {
      id: `settle:${attemptId}`,
      kind: "settle",
      tenantId,
      jobId: id,
      attemptId,
      lane: "openai-batch",
      model: "gpt-5-mini",
      pricesVersion: "p",
      digest: "d",
    } as const;
    await postLedger(tx, [{ ...txn, emulated: true, priced, entries }], nowMs);
    await tx`update job set state = 'completed', lane = 'openai-batch', attempt_id = ${attemptId}, attempts = 1, ended_at_ms = ${nowMs}, next_decision_at_ms = null where id = ${id}`;
  });
  return id;
}

describe("GET /v1/jobs/:id", () => {
  test("gives the provider's answer byte for byte and the ledger as a waterfall that sums exactly", async () => {
    const answer = `{"id":"x","big":9007199254740993, "text":"\\u0000\\ud800","n":1.0}`;
    const id = await settledJob(answer, [
      { account: "list", amountNano: -1000n },
      { account: "saving.batch", amountNano: 500n },
      { account: "saving.prompt-cache", amountNano: 100n },
      { account: "waste", amountNano: -7n },
      { account: "payable.openai", amountNano: 407n },
    ]);
    const reply = await intake.tenant.call("GET", `/v1/jobs/${id}`);
    expect(reply.text).toContain(`"body":${answer}}`);
    expect(reply.headers.get("x-slowboat-emulated")).toBe("emulated provider: no money is spent");
    expect(reply.json).toMatchObject({
      state: "completed",
      lane: "openai-batch",
      decision: { lane: "openai-batch", latest_start_at_ms: 5, candidates: [{ lane: "openai-batch", price_nano: "7" }] },
      attempts: [{ seq: 1, state: "settled", status_code: 200, usage: { input: 10, cache_read: 1, cache_write_5m: 2, output: 5 }, emulated: true }],
      result: { status_code: 200, source: "lane" },
    });
    expect(reply.json.receipt).toEqual({
      priced: true,
      emulated: true,
      note: "emulated provider: no money is spent",
      list_nano: "1000",
      list_usd: "0.000001",
      lines: [
        { account: "saving.batch", amount_nano: "500", amount_usd: "0.0000005" },
        { account: "saving.prompt-cache", amount_nano: "100", amount_usd: "0.0000001" },
        { account: "waste", amount_nano: "-7", amount_usd: "-0.000000007" },
      ],
      paid_nano: "407",
      paid_usd: "0.000000407",
    });
  });

  test("shows a job without a price as unpriced, never as 0", async () => {
    const id = await settledJob("{}", [], false);
    expect((await intake.tenant.call("GET", `/v1/jobs/${id}`)).json.receipt).toEqual({
      priced: false,
      emulated: true,
      note: "emulated provider: no money is spent",
    });
  });

  test("says why a provider refused, in the list too, and still does when the refusal is no longer kept", async () => {
    const refused = async (answer: string): Promise<string> => {
      const id = await settledJob(answer, []);
      await intake.store.sql`update attempt set status_code = 400 where job_id = ${id}`;
      await intake.store.sql`update result set status_code = 400 where job_id = ${id}`;
      await intake.store.sql`update job set state = 'failed' where id = ${id}`;
      return id;
    };
    const shown = async (id: string) => {
      const { error } = (await intake.tenant.call("GET", `/v1/jobs/${id}`)).json;
      const { data } = (await intake.tenant.call("GET", "/v1/jobs?state=failed")).json;
      expect(data.find((job: { id: string }) => job.id === id).error).toEqual(error);
      return error;
    };
    const openai = await refused(
      '{"error":{"message":"max_tokens is too large","type":"invalid_request_error","param":"max_tokens","code":"too_large"}}',
    );
    expect(await shown(openai)).toEqual({ code: "too_large", message: "max_tokens is too large", status: 400 });
    const anthropic = await refused('{"type":"error","error":{"type":"invalid_request_error","message":"messages: odd"},"request_id":"req_1"}');
    expect(await shown(anthropic)).toEqual({ code: "invalid_request_error", message: "messages: odd", status: 400 });
    const plain = { code: "provider-refused", message: "The provider refused the request with status 400.", status: 400 };
    expect(await shown(await refused("<html>no</html>"))).toEqual(plain);
    await intake.store.sql`delete from result where job_id = ${openai}`;
    expect(await shown(openai)).toEqual(plain);
  });

  test("a list carries neither requests nor answers, however large they are", async () => {
    const answer = JSON.stringify({ id: "x", text: "deep water ".repeat(50_000) });
    const id = await settledJob(answer, [
      { account: "list", amountNano: -1n },
      { account: "payable.openai", amountNano: 1n },
    ]);
    const list = await intake.tenant.call("GET", "/v1/jobs?limit=100");
    const listed = (list.json.data as { id: string; state: string }[]).find((one) => one.id === id);
    expect(listed?.state).toBe("completed");
    expect(list.text).not.toContain("deep water");
    expect(JSON.stringify(listed).length).toBeLessThan(2_000);
    expect((await intake.tenant.call("GET", `/v1/jobs/${id}`)).text).toContain("deep water");
  });

  test("only an answer in time meets a deadline: a failed job missed it, a cancelled one has none any more", async () => {
    const met = async (state: string, endedAfterMs: number): Promise<unknown> => {
      const { id } = (await intake.tenant.call("POST", "/v1/jobs", { body: chat, deadline: "1h" })).json;
      await intake.store.sql`
        update job set state = ${state}, next_decision_at_ms = null, ended_at_ms = ${intake.clock.job() + endedAfterMs} where id = ${id}`;
      return (await intake.tenant.call("GET", `/v1/jobs/${id}`)).json.deadline_met;
    };
    expect(await Promise.all([met("completed", 1000), met("completed", 3_600_001), met("failed", 1000), met("cancelled", 1000)])).toEqual([
      true,
      false,
      false,
      null,
    ]);
  });

  test("shows an answer that is no JSON as text", async () => {
    const id = await settledJob("<html>bad gateway</html>", []);
    expect((await intake.tenant.call("GET", `/v1/jobs/${id}`)).json.result.body).toBe("<html>bad gateway</html>");
  });
});
