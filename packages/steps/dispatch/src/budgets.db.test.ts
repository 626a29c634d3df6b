import { newId } from "@slowboat/kernel";
import { listBudgets, reserveBudgets, saveBudget } from "@slowboat/store";
import { testRng } from "@slowboat/testkit";
import { afterEach, expect, test } from "vitest";
import { planDue } from "./index.ts";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "./testing/world.ts";

// What a second attempt may cost is held before it is sent, or it is not sent.

let world: World;
afterEach(() => world.close());

const HOLD = 1_000_000n;
const { signal } = new AbortController();
const attempts = () => world.rows<{ lane: string; state: string }>("attempt", "lane, state");

/** A job that holds a million nano-dollars in its tenant's hard budget of `amountNano`. */
async function held(amountNano: bigint, over: Parameters<World["accept"]>[1]): Promise<string> {
  const [id = ""] = await world.accept(1, over);
  const [job] = await world.rows<{ tenantId: string; keyId: string }>("job", 'tenant_id as "tenantId", key_id as "keyId"');
  const { tenantId = "", keyId = "" } = job ?? {};
  const nowMs = world.clock.job();
  const { sql } = world.database.store;
  const terms = { period: "total" as const, hard: true, alertAt: null, callbackUrl: null, keyId: null };
  await saveBudget(sql, { id: newId("budget", nowMs, testRng(1)), tenantId, projectId: null, amountNano, nowMs, ...terms });
  const refused = await world.database.store.begin((tx) =>
    reserveBudgets(tx, [{ subjectId: id, tenantId, keyId, amountNano: HOLD }], { nowMs, realMs: nowMs }),
  );
  expect(refused).toEqual([null]);
  return id;
}
const reserved = async (): Promise<bigint | undefined> => {
  const [job] = await world.rows<{ tenantId: string }>("job", 'tenant_id as "tenantId"');
  return (await listBudgets(world.database.store.sql, { tenantId: job?.tenantId ?? "", nowMs: world.clock.job() }))[0]?.heldNano;
};

/** A call on flex that hangs: nothing is heard of it until the deadline. */
async function hanging(amountNano: bigint): Promise<string> {
  world = await openWorld();
  const id = await held(amountNano, { lanesAllow: ["openai-flex", "openai"], deadlineAtMs: EVENING + 2 * HOUR });
  await planDue(world.planDeps, signal);
  await world.database.store.sql`update attempt set state = 'sending', sent_at_ms = ${world.clock.job()}`;
  await world.database.store.sql`update dispatch set state = 'running', lease_gen = 1, lease_until_real_ms = ${world.clock.real() + 1e12}`;
  await world.pass(EVENING + 3 * HOUR, MINUTE);
  return id;
}

test("a hedge is sent where the budget has room for both answers, and both are held for", async () => {
  await hanging(2n * HOLD);
  expect(await attempts()).toMatchObject([
    { lane: "openai-flex", state: "sending" },
    { lane: "openai", state: "answered" },
  ]);
  expect(await reserved()).toBe(2n * HOLD);
});

test("a hedge that the budget has no room for is not sent: the job waits for its first attempt, and says why", async () => {
  const id = await hanging(2n * HOLD - 1n);
  expect(await attempts()).toMatchObject([{ lane: "openai-flex", state: "sending" }]);
  expect(await reserved()).toBe(HOLD);
  const [row] = await world.database.store.sql<{ state: string; record: string }[]>`
    select j.state, d.record from job j join delay d on d.job_id = j.id where j.id = ${id} order by d.seq desc limit 1`;
  expect(row?.state).toBe("placed");
  expect(JSON.parse(row?.record ?? "{}")).toMatchObject({
    kind: "budget",
    lane: "openai",
    reason: expect.stringContaining("total budget of tenant"),
  });
  expect((await world.emulator.invoice()).lines).toHaveLength(0);
});

/** A real-time call whose answer is lost on its way: it may have been paid for. */
async function unheard(amountNano: bigint): Promise<string> {
  world = await openWorld();
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, drop: "after-commit", times: 1 });
  const id = await held(amountNano, { lanesAllow: ["openai"], deadlineAtMs: EVENING + 2 * HOUR });
  await world.pass(EVENING + 3 * HOUR, MINUTE);
  return id;
}

test("a job is tried again after an outcome that nobody heard where the budget has room for both", async () => {
  await unheard(2n * HOLD);
  expect(await attempts()).toMatchObject([{ state: "unknown" }, { state: "answered" }]);
  expect(await reserved()).toBe(2n * HOLD);
});

test("a job whose retry the budget has no room for waits for it until its deadline, and then fails by its name", async () => {
  const id = await unheard(2n * HOLD - 1n);
  expect(await attempts()).toMatchObject([{ state: "unknown" }]);
  const [job] = await world.database.store.sql<{ state: string; error: string; endedAtMs: number }[]>`
    select state, error, ended_at_ms as "endedAtMs" from job where id = ${id}`;
  expect(job?.state).toBe("failed");
  expect(JSON.parse(job?.error ?? "{}")).toMatchObject({ code: "budget-exceeded", message: expect.stringContaining("total budget of tenant") });
  expect(job?.endedAtMs).toBeGreaterThanOrEqual(EVENING + 2 * HOUR);
  expect(job?.endedAtMs).toBeLessThan(EVENING + 2 * HOUR + 2 * MINUTE);
  expect((await world.emulator.invoice()).lines).toHaveLength(1);
});

test("a retry goes out as soon as there is room for it", async () => {
  world = await openWorld();
  world.emulator.addFaults({ match: { path: "/v1/chat/completions" }, drop: "after-commit", times: 1 });
  await held(HOLD, { lanesAllow: ["openai"], deadlineAtMs: EVENING + 2 * HOUR });
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await attempts()).toMatchObject([{ state: "unknown" }]);
  await world.database.store.sql`update budget set amount_nano = ${(2n * HOLD).toString()}::int8`;
  await world.pass(EVENING + HOUR + 3 * MINUTE, MINUTE);
  expect(await attempts()).toMatchObject([{ state: "unknown" }, { state: "answered" }]);
});
