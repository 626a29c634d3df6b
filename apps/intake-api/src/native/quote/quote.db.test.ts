import type { LaneId } from "@slowboat/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startIntake, type TestIntake } from "../../testing/api.ts";

const START = Date.parse("2026-11-25T22:00:00Z");
const LANES: readonly LaneId[] = ["pool", "openai-batch", "openai-flex", "openai", "anthropic-batch", "anthropic"];

let api: TestIntake;
beforeAll(async () => {
  api = await startIntake({ lanes: LANES, startMs: START });
});
afterAll(async () => await api.stop());

const body = (text: string, more: object = {}) => ({
  model: "gpt-5-mini",
  max_completion_tokens: 400,
  messages: [{ role: "user", content: text }],
  ...more,
});
const line = (id: string, text: string, more: object = {}) =>
  JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body: body(text, more) });
const jsonl = { "content-type": "application/jsonl" };
const rows = async (): Promise<number> =>
  Number(
    (await api.store.sql<{ n: string }[]>`select (select count(*) from job) + (select count(*) from batch) + (select count(*) from file) as n`)[0]?.n,
  );

// biome-ignore lint/suspicious/noExplicitAny: a test reads replies as a stranger would.
const laneOf = (quote: any, id: string) => quote.lanes.find((one: any) => one.lane === id);

test("one job is quoted with every lane, its price, its finish and its risk, and nothing is stored", async () => {
  const reply = await api.tenant.call("POST", "/v1/quote", { body: body("Hello."), deadline: "8h" });
  expect(reply.status, reply.text).toBe(200);
  const quote = reply.json;
  expect(quote).toMatchObject({ object: "quote", requests: 1, feasible: true, deadline: "2026-11-26T06:00:00.000Z", emulated: false });
  expect(quote.lanes.map((one: { lane: string }) => one.lane)).toEqual([...LANES]);
  const [batch, rt] = [laneOf(quote, "openai-batch"), laneOf(quote, "openai")];
  for (const kind of ["low_nano", "expected_nano", "high_nano"])
    expect(BigInt(rt.price[kind])).toBeGreaterThanOrEqual(2n * BigInt(batch.price[kind]) - 2n);
  expect(BigInt(rt.price.low_nano)).toBeLessThan(BigInt(rt.price.expected_nano));
  expect(BigInt(rt.price.expected_nano)).toBeLessThan(BigInt(rt.price.high_nano));
  expect(Date.parse(batch.p50_finish)).toBeGreaterThan(Date.parse(rt.p90_finish));
  expect(Date.parse(batch.p90_finish)).toBeLessThan(Date.parse(quote.deadline));
  expect(batch.miss_probability).toBeLessThan(0.01);
  expect(laneOf(quote, "anthropic")).toMatchObject({ eligible: false, price: null, reason: "does not serve gpt-5-mini at /v1/chat/completions" });
  expect(quote.plan.saving_share).toBeGreaterThan(0.3);
  expect(BigInt(quote.plan.reservation_nano)).toBeGreaterThan(BigInt(quote.plan.price.expected_nano));
  expect(await rows()).toBe(0);
});

test("the mix of a quote is the planner's own: what is denied shows its price and why it is out", async () => {
  const reply = await api.tenant.call("POST", "/v1/quote", { body: body("Hello."), deadline: "8h", deny: ["batch"] });
  const batch = laneOf(reply.json, "openai-batch");
  expect(batch).toMatchObject({ eligible: false, chosen: 0, reason: "not among the allowed lanes", expected_with_rescue_nano: null });
  expect(batch.price).not.toBeNull();
  expect(batch.p50_finish).not.toBeNull();
  expect(reply.json.plan.lanes).toEqual([{ lane: "openai-flex", requests: 1 }]);
});

test("a work whose deadline no lane makes is no error: it is not feasible, and the earliest deadline is named", async () => {
  const reply = await api.tenant.call("POST", "/v1/quote", { body: body("Hello."), deadline: "2s" });
  expect(reply.status).toBe(200);
  expect(reply.json).toMatchObject({ feasible: false, plan: { requests: 0 } });
  const [refusal] = reply.json.refusals;
  expect(refusal).toMatchObject({ code: "deadline-infeasible", requests: 1 });
  expect(Date.parse(refusal.earliest_feasible_deadline)).toBeGreaterThan(START);
});

test("lines are quoted as they arrive: bad ones are listed by number and code, repeated ones are free", async () => {
  const lines = [
    line("a", "one"),
    line("b", "two"),
    "{nonsense",
    line("c", "three", { seed: 1 }),
    line("d", "three", { seed: 1 }),
    line("a", "again"),
  ];
  const reply = await api.tenant.call("POST", "/v1/quote?deadline=06:00%20UTC", lines.join("\n"), jsonl);
  expect(reply.status, reply.text).toBe(200);
  const { errors, requests, cached, feasible, plan } = reply.json;
  expect(feasible).toBe(false);
  expect(errors.data.map((one: { line: number; code: string }) => [one.line, one.code])).toEqual([
    [3, "invalid_json_line"],
    [6, "duplicate_custom_id"],
  ]);
  expect(requests).toBe(4);
  expect(cached).toEqual({ known: 0, repeated: 1 });
  expect(plan.lanes).toContainEqual({ lane: "cache", requests: 1 });
});

test("lines of the Messages API are quoted too, and a model may be tried out in place of theirs", async () => {
  const params = { model: "claude-haiku-4-5", max_tokens: 100, messages: [{ role: "user", content: "Hi" }] };
  const lines = ["x", "y"].map((id) => JSON.stringify({ custom_id: id, params })).join("\n");
  const quote = await api.tenant.call("POST", "/v1/quote?deadline=12h", lines, jsonl);
  expect(quote.json).toMatchObject({ requests: 2, feasible: true, plan: { lanes: [{ lane: "anthropic-batch", requests: 2 }] } });
  const other = await api.tenant.call("POST", "/v1/quote?deadline=12h&model=claude-sonnet-5", lines, jsonl);
  expect(other.json.lanes.find((one: { lane: string }) => one.lane === "anthropic").models).toEqual(["claude-sonnet-5"]);
  expect(BigInt(other.json.plan.price.expected_nano)).toBeGreaterThan(BigInt(quote.json.plan.price.expected_nano));
});

test("a list may mix jobs with lines of either API; one bad element touches no other", async () => {
  const requests = [
    { body: body("native"), deadline: "1h" },
    JSON.parse(line("l", "line")),
    { custom_id: "m", params: { model: "claude-haiku-4-5", max_tokens: 10, messages: [{ role: "user", content: "Hi" }] } },
    { body: { model: "gpt-5-mini" } },
  ];
  const reply = await api.tenant.call("POST", "/v1/quote", { requests, deadline: "10h" });
  expect(reply.status, reply.text).toBe(200);
  expect(reply.json).toMatchObject({ requests: 3, errors: { count: 1, data: [{ line: 4 }] } });
});

test("an uploaded file is quoted by its id, with a batch's own terms; another tenant's is not there", async () => {
  const text = Array.from({ length: 30 }, (_, i) => line(`n${i}`, `Number ${i}`)).join("\n");
  const file = await api.tenant.openai.files.create({ purpose: "batch", file: new File([text], "in.jsonl") });
  const ask = { input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { deny: "flex" } };
  const reply = await api.tenant.call("POST", "/v1/quote", ask);
  expect(reply.json).toMatchObject({ requests: 30, feasible: true, deadline: "2026-11-26T22:00:00.000Z" });
  expect(laneOf(reply.json, "openai-flex").eligible).toBe(false);
  const stranger = await api.newTenant("stranger");
  expect((await stranger.call("POST", "/v1/quote", ask)).status).toBe(404);
});

test("what is not understood is refused by name, never passed over", async () => {
  const ask = async (given: object) => (await api.tenant.call("POST", "/v1/quote", given)).json.error;
  expect((await ask({ requests: [], deadlin: "1h" })).message).toContain("Did you mean 'deadline'");
  expect((await ask({ requests: "x" })).param).toBe("requests");
  expect((await ask({ requests: [], max_cost_usd: {} })).param).toBe("max_cost_usd");
  expect((await ask({ requests: [], fallbacks: 7 })).param).toBe("fallbacks");
  expect((await ask({ requests: [] })).message).toContain("nothing to quote");
  expect((await ask({ body: body("x"), deadline: "06:00" })).code).toBe("deadline_unreadable");
});
