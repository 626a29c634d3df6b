import { createKey } from "@slowboat/intake";
import { newId } from "@slowboat/kernel";
import { systemRng } from "@slowboat/runtime";
import { insertAttempts, insertJobs, postLedger } from "@slowboat/store";
import { testJob } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";

// What a budget holds for an answer whose request sets no limit on it.

let intake: TestIntake;
let admin: TestCaller;
beforeEach(async () => {
  intake = await startIntake();
  const made = await createKey(intake.store.sql, {
    tenantId: intake.tenant.tenantId,
    name: "admin",
    secret: "7".repeat(64),
    nowMs: intake.clock.job(),
    rng: systemRng(),
    admin: true,
  });
  admin = intake.as({ ...intake.tenant, keyId: made?.keyId ?? "", key: made?.key ?? "" });
});
afterEach(() => intake.stop());

const body = { model: "gpt-5-mini", messages: [{ role: "user", content: "hello" }] };
const set = (amount_usd: string): Promise<unknown> => admin.call("PUT", "/v1/budgets", { amount_usd, period: "total" });
const submit = (over: object = {}, terms: object = {}) =>
  intake.tenant.call("POST", "/v1/jobs", { endpoint: "/v1/chat/completions", body: { ...body, ...over }, deadline: "24h", ...terms });

/** What the last accepted job holds, less its prompt, as tokens of output: in real time at 2 $ a million, and a twentieth of the half price for a cancelled batch. */
async function heldTokens(): Promise<number> {
  const [row] = await intake.store.sql<{ held: bigint; input: number }[]>`
    select e.held_nano as held, j.input_tokens_est as input from budget_entry e join job j on j.id = e.subject_id order by e.seq desc limit 1`;
  return Math.round((Number(row?.held ?? 0n) / 1.025 - 250 * (row?.input ?? 0)) / 2_000);
}

/** Settled answers of the tenant, each of so many tokens. */
async function answers(tokens: readonly number[]): Promise<void> {
  const { sql } = intake.store;
  const rng = systemRng();
  const nowMs = intake.clock.job();
  const { tenantId, keyId } = intake.tenant;
  const who = { lane: "openai", account: "a", dispatchId: null, decision: "{}", pricesVersion: "v", emulated: true };
  for (const output of tokens) {
    const [jobId, id] = [newId("job", nowMs, rng), newId("attempt", nowMs, rng)];
    await insertJobs(sql, [testJob({ id: jobId, tenantId, keyId, state: "completed" })]);
    await insertAttempts(sql, [{ id, jobId, tenantId, seq: 1, state: "sending", role: "try", estimateNano: 1n, createdAtMs: nowMs, ...who }], nowMs);
    await sql`update attempt set state = 'settled', usage = ${JSON.stringify({ output })} where id = ${id}`;
    const posting = { id: `settle:${id}`, kind: "settle" as const, tenantId, jobId, attemptId: id, lane: "openai", model: "gpt-5-mini" };
    await postLedger(sql, [{ ...posting, pricesVersion: "v", digest: "d", emulated: true, priced: true, entries: [] }], nowMs);
  }
}

test("is what 99 of 100 answers of the published population do not exceed, before the tenant has any of its own", async () => {
  await set("1");
  expect((await submit({ max_tokens: 512 })).status).toBe(202);
  expect(await heldTokens()).toBe(512);
  expect((await submit()).status).toBe(202);
  expect(await heldTokens()).toBe(1_354);
});

test("is what 99 of 100 of the tenant's own answers of the model do not exceed, once it has some", async () => {
  await answers(Array.from({ length: 300 }, (_, n) => 4_000 + 10 * n));
  await set("1");
  await submit();
  expect(await heldTokens()).toBeGreaterThan(6_990);
});

test("is held for each of the answers that a request asks for, with a limit as without", async () => {
  await set("1");
  await submit({ n: 3 });
  expect(await heldTokens()).toBe(3 * 1_354);
  await submit({ n: 3, max_tokens: 512 });
  expect(await heldTokens()).toBe(3 * 512);
});

test("is not cut by a bound on the price, which bounds the plan and not the answer", async () => {
  await set("1");
  await submit({}, { max_cost_usd: 0.0015 });
  expect(await heldTokens()).toBe(1_354);
});

test("is told to whoever is refused for it, and a limit of its own is what lets it in", async () => {
  await set("0.002");
  const refused = await submit();
  expect(refused.status).toBe(402);
  expect(refused.json.error.message).toContain("sets no max_tokens, so 1354 tokens of output are held for");
  const limited = await submit({ max_tokens: 2_000 });
  expect(limited.json.error.message).not.toContain("max_tokens");
  expect((await submit({ max_tokens: 500 })).status).toBe(202);
});

test("is held for each line of a batch, and quoted as the reservation", async () => {
  await set("1");
  const line = (n: number) => JSON.stringify({ custom_id: `c${n}`, method: "POST", url: "/v1/chat/completions", body });
  const file = await intake.tenant.openai.files.create({ file: new File([[1, 2].map(line).join("\n")], "in.jsonl"), purpose: "batch" });
  const create = async (): Promise<string> => {
    const ask = { input_file_id: file.id, endpoint: "/v1/chat/completions" as const, completion_window: "24h" as const };
    const batch = await intake.tenant.openai.batches.create(ask);
    await intake.run(batch.id);
    return batch.id;
  };
  await create();
  expect(await heldTokens()).toBe(1_354);
  const [total] = await intake.store.sql<{ held: bigint }[]>`select held_nano as held from budget_entry where kind = 'reserve'`;
  const quote = await intake.tenant.call("POST", "/v1/quote", { body, deadline: "24h" });
  expect(2n * BigInt(quote.json.plan.reservation_nano)).toBe(total?.held);
  await set("0.006");
  const failed = await intake.tenant.openai.batches.retrieve(await create());
  expect(failed.errors?.data?.[0]?.message).toContain("2 of its requests set no max_tokens");
});
