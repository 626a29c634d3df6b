import Anthropic from "@anthropic-ai/sdk";
import { newId } from "@slowboat/kernel";
import { systemRng } from "@slowboat/runtime";
import { listBudgets, saveBudget } from "@slowboat/store";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApi, type TestApi } from "./testing/start-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
  await budget(0n);
});
afterAll(() => api.stop());

const budget = async (amountNano: bigint): Promise<void> => {
  const nowMs = Date.now();
  const terms = { tenantId: api.tenantId, projectId: null, period: "total" as const, hard: true, alertAt: null, callbackUrl: null, keyId: null };
  await saveBudget(api.store.sql, { id: newId("budget", nowMs, systemRng()), ...terms, amountNano, nowMs });
};
const ask = (content: string) => ({ model: "gpt-5.4-mini", max_completion_tokens: 100, messages: [{ role: "user" as const, content }] });

test("a synchronous call that does not fit is a 402 of its API, is not retried, and nothing was sent", async () => {
  const before = (await api.store.sql`select 1 from attempt`).length;
  const refused = await api.openai.chat.completions.create(ask("hi"), { maxRetries: 2 }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(OpenAI.APIError);
  expect(refused).toMatchObject({ status: 402, code: "budget_exceeded", type: "insufficient_quota" });
  const message = { model: "claude-haiku-4-5", max_tokens: 10, messages: [{ role: "user" as const, content: "hi" }] };
  const other = await api.anthropic.messages.create(message).catch((error: unknown) => error);
  expect(other).toBeInstanceOf(Anthropic.APIError);
  expect(other).toMatchObject({
    status: 402,
    error: { error: { type: "billing_error", message: expect.stringContaining("0.00 of 0.00 USD left") } },
  });
  expect((await api.store.sql`select 1 from attempt`).length).toBe(before);
});

test("of many calls at once only those are opened that fit together", async () => {
  await budget(1_000_000_000n);
  await api.openai.chat.completions.create(ask("measure"));
  const [standing] = await listBudgets(api.store.sql, { tenantId: api.tenantId, nowMs: Date.now() });
  const hold = standing?.heldNano ?? 0n;
  expect(hold).toBeGreaterThan(0n);
  // The one that was measured holds until it is settled, which nobody does here.
  await budget(hold * 6n);
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, () =>
      api.openai.chat.completions.create(ask("measure")).then(
        () => 200,
        (error: InstanceType<typeof OpenAI.APIError>) => error.status,
      ),
    ),
  );
  expect(outcomes.filter((status) => status === 200)).toHaveLength(5);
  expect(outcomes.filter((status) => status === 402)).toHaveLength(25);
  const [after] = await listBudgets(api.store.sql, { tenantId: api.tenantId, nowMs: Date.now() });
  expect(after?.heldNano).toBe(hold * 6n);
});

test("a call that sets no limit on its answer holds for a long one, and is told so where that does not fit", async () => {
  await budget(2_000_000n);
  const refused = await api.openai.chat.completions.create({ model: "gpt-5-mini", messages: ask("hi").messages }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ status: 402, message: expect.stringContaining("sets no max_tokens, so 1354 tokens of output are held for") });
});
