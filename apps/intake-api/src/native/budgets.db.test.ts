import { createKey } from "@slowboat/intake";
import { systemRng } from "@slowboat/runtime";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startIntake, type TestCaller, type TestIntake } from "../testing/api.ts";

let intake: TestIntake;
beforeEach(async () => {
  intake = await startIntake();
});
afterEach(() => intake.stop());

const body = { model: "gpt-5-mini", messages: [{ role: "user", content: "hello" }], max_tokens: 1_000 };
const job = (over: Record<string, unknown> = {}) => ({ endpoint: "/v1/chat/completions", body, deadline: "24h", ...over });

/** An admin key of the tenant, and what it sets. */
async function admin(): Promise<TestCaller> {
  const nowMs = intake.clock.job();
  const made = await createKey(intake.store.sql, {
    tenantId: intake.tenant.tenantId,
    name: "admin",
    secret: "7".repeat(64),
    nowMs,
    rng: systemRng(),
    admin: true,
    project: "night",
  });
  if (made === null) throw new Error("the key was there before");
  return intake.as({ ...intake.tenant, keyId: made.keyId, key: made.key });
}
const set = async (of: Record<string, unknown>): Promise<void> => {
  const reply = await (await admin()).call("PUT", "/v1/budgets", of);
  expect(reply.status, reply.text).toBe(200);
};
const budgets = async (): Promise<{ reserved_usd: string; left_usd: string; spent_usd: string }[]> =>
  (await intake.tenant.call("GET", "/v1/budgets")).json.data;
const jobs = async (): Promise<number> => Number((await intake.store.sql<{ n: number }[]>`select count(*)::int as n from job`)[0]?.n);

/** What a budget holds for one such job, read from the books of a soft one. */
async function holdOf(): Promise<bigint> {
  await set({ amount_usd: 1000, hard: false, period: "day" });
  expect((await intake.tenant.call("POST", "/v1/jobs", job())).status).toBe(202);
  const [row] = await intake.store.sql<{ held: bigint }[]>`select held_nano as held from budget_entry`;
  await set({ amount_usd: null, period: "day" });
  return row?.held ?? 0n;
}

describe("a hard budget at the door", () => {
  test("lets exactly as many of 60 jobs in as it holds the rescue price of, by 40 callers at once, repeated keys counted once", async () => {
    const hold = await holdOf();
    const before = await jobs();
    // 0.25 $ for 1M tokens in, 2 $ out, and a twentieth of the batch price for what a rescue leaves behind.
    expect(hold).toBeGreaterThanOrEqual(2_000_000n);
    const amount = hold * 17n + hold / 2n;
    await set({ amount_usd: `${amount / 1_000_000_000n}.${(amount % 1_000_000_000n).toString().padStart(9, "0")}`, period: "total" });
    const ask = (n: number) => intake.tenant.call("POST", "/v1/jobs", job(), { "idempotency-key": `k${n}` });
    const replies = await Promise.all(Array.from({ length: 80 }, (_, n) => ask(n % 40)));
    const accepted = new Set(replies.filter((reply) => reply.status === 202).map((reply) => reply.json.id));
    expect(accepted.size).toBe(17);
    expect((await jobs()) - before).toBe(17);
    const refused = replies.filter((reply) => reply.status !== 202);
    expect(new Set(refused.map((reply) => `${reply.status} ${reply.json.error.code} ${reply.json.error.type}`))).toEqual(
      new Set(["402 budget_exceeded insufficient_quota"]),
    );
    expect(refused[0]?.json.error).toMatchObject({ budget: expect.stringMatching(/^bud_/), renews_at: null, left_usd: expect.any(String) });
    expect(refused[0]?.json.error.message).toContain("total budget of tenant 'first'");
    const [row] = await budgets();
    expect(BigInt((row?.reserved_usd ?? "").replace(".", "").padEnd(10, "0"))).toBe(hold * 17n);
    // What was refused left no key behind: it may come again.
    await set({ amount_usd: 1, period: "total" });
    expect((await ask(39)).status).toBe(202);
  });

  test("is held at no more than the job's own bound", async () => {
    await set({ amount_usd: 1, period: "total" });
    await intake.tenant.call("POST", "/v1/jobs", job({ max_cost_usd: 0.0015 }));
    expect(await budgets()).toMatchObject([{ reserved_usd: "0.0015" }]);
  });

  test("tells in which moment it renews", async () => {
    await set({ amount_usd: "0.000001", period: "day" });
    const reply = await intake.tenant.call("POST", "/v1/jobs", job());
    const renews = new Date(Math.floor(intake.clock.job() / 86_400_000 + 1) * 86_400_000).toISOString();
    expect(reply.json.error).toMatchObject({ code: "budget_exceeded", renews_at: renews });
    expect(reply.headers.get("x-should-retry")).toBeNull();
  });
});

describe("a batch", () => {
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, n) => JSON.stringify({ custom_id: `c${n}`, method: "POST", url: "/v1/chat/completions", body })).join("\n");
  const create = async (count: number): Promise<string> => {
    const file = await intake.tenant.openai.files.create({ file: new File([lines(count)], "in.jsonl"), purpose: "batch" });
    const batch = await intake.tenant.openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
    await intake.run(batch.id);
    return batch.id;
  };

  test("that does not fit as a whole fails as a whole, and leaves nothing held", async () => {
    const hold = await holdOf();
    await set({ amount_usd: `0.${(hold * 10n).toString().padStart(9, "0")}`, period: "total" });
    const before = await jobs();
    const batch = await intake.tenant.openai.batches.retrieve(await create(11));
    expect(batch.status).toBe("failed");
    expect(batch.errors?.data?.[0]).toMatchObject({ code: "budget_exceeded" });
    expect(await jobs()).toBe(before);
    expect(await budgets()).toMatchObject([{ reserved_usd: "0.00" }]);
  });

  test("that fits holds a part for each of its lines, and running its input again holds nothing more", async () => {
    const hold = await holdOf();
    await set({ amount_usd: `0.${(hold * 10n).toString().padStart(9, "0")}`, period: "total" });
    const id = await create(10);
    await intake.run(id);
    const rows = await intake.store.sql<{ subject: string; held: bigint }[]>`
      select subject_id as subject, sum(held_nano)::int8 as held from budget_entry e join budget b on b.id = e.budget_id where b.period = 'total' group by 1`;
    expect(rows.filter((row) => row.subject.startsWith("job_")).map((row) => row.held)).toEqual(Array.from({ length: 10 }, () => hold));
    expect(rows.find((row) => row.subject === id)?.held).toBe(0n);
    expect(await budgets()).toMatchObject([{ left_usd: "0.00" }]);
  });
});

describe("budgets over the API", () => {
  test("are set by an admin key alone, and each key sees its tenant's and its own project's", async () => {
    const refused = await intake.tenant.call("PUT", "/v1/budgets", { amount_usd: 5 });
    expect([refused.status, refused.json.error.code]).toEqual([403, "not_permitted"]);
    await set({ amount_usd: 5, period: "month", alert_at: 0.8 });
    await set({ scope: "project", project: "night", amount_usd: 2, period: "day" });
    expect(await budgets()).toMatchObject([{ scope: "tenant", period: "month", amount_usd: "5.00", alert_at: 0.8, left_usd: "5.00" }]);
    const all = await (await admin()).call("GET", "/v1/budgets");
    expect(all.json.data.map((one: { scope: string }) => one.scope)).toEqual(["tenant", "project"]);
    const stranger = await intake.newTenant("second");
    expect((await stranger.call("GET", "/v1/budgets")).json.data).toEqual([]);
  });

  test.each([
    [{ amount_usd: -1 }, "amount_usd"],
    [{ amount_usd: 1, period: "week" }, "period"],
    [{ amount_usd: 1, alert_at: 2 }, "alert_at"],
    [{ amount_usd: 1, scope: "project" }, "project"],
    [{ amount_usd: 1, project: "nowhere" }, "project"],
    [{ amount: 1, amount_usd: 1 }, "amount"],
    [{ amount_usd: 1, callback_url: "http://10.0.0.1/" }, "callback_url"],
  ])("refuse what is wrong by its name: %j", async (wish, param) => {
    const reply = await (await admin()).call("PUT", "/v1/budgets", wish);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.json.error.param).toBe(param);
  });

  test("of a project count its keys' work alone", async () => {
    const night = await admin();
    await set({ project: "night", amount_usd: "0.000001", period: "total" });
    expect((await intake.tenant.call("POST", "/v1/jobs", job())).status).toBe(202);
    expect((await night.call("POST", "/v1/jobs", job())).status).toBe(402);
  });
});
