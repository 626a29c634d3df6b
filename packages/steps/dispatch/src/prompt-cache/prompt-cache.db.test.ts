import { promptPrefix, writeLevels } from "@slowboat/reuse";
import { type NewJob, readChunk } from "@slowboat/store";
import { afterEach, expect, test } from "vitest";
import { planDue } from "../index.ts";
import { EVENING, HOUR, MINUTE, openWorld, type World } from "../testing/world.ts";

let world: World;
afterEach(() => world.close());

const TEN = { batchTurnaroundMs: 10 * MINUTE };
const long = (name: string): string => `${name}: ${"The river is long and the boats are slow, but they carry much for little. ".repeat(340)}`;

/** Jobs of one beginning of about 6,000 tokens, each with a question of its own. */
async function ask(provider: "openai" | "anthropic", name: string, count: number, over: Partial<NewJob> = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const question = { role: "user", content: `Question ${name} ${i}?` };
    const [endpoint, model, value] =
      provider === "anthropic"
        ? (["/v1/messages", "claude-sonnet-5", { max_tokens: 30, system: long(name), messages: [question] }] as const)
        : ([
            "/v1/chat/completions",
            "gpt-5.6-luna",
            { max_completion_tokens: 30, messages: [{ role: "system", content: long(name) }, question] },
          ] as const);
    const body = JSON.stringify({ model, ...value });
    const prefix = writeLevels(promptPrefix({ tenantId: "ten", endpoint, value }));
    const named = { endpoint, provider, model, baselineModel: model, body, bodyBytes: body.length, inputTokensEst: 6_200, prefix };
    const lanes = { lanesAllow: provider === "anthropic" ? ["anthropic-batch", "anthropic"] : ["openai-batch", "openai"] };
    ids.push(...(await world.accept(1, { ...named, ...lanes, batchId: `batch_${name}`, lineNo: i, deadlineAtMs: EVENING + 20 * HOUR, ...over })));
  }
  return ids;
}

interface Sum {
  reads: number;
  writes: number;
  fresh: number;
}

/** What the provider's bill says of the cache, by lines. */
async function bill(): Promise<Sum & { lines: number }> {
  const { lines } = await world.emulator.invoice();
  const sum = { reads: 0, writes: 0, fresh: 0, lines: lines.length };
  for (const { usage } of lines) {
    const details = (usage["prompt_tokens_details"] ?? {}) as Record<string, number>;
    if (Number(usage["cache_read_input_tokens"] ?? details["cached_tokens"] ?? 0) > 0) sum.reads++;
    else if (Number(usage["cache_creation_input_tokens"] ?? details["cache_write_tokens"] ?? 0) > 0) sum.writes++;
    else sum.fresh++;
  }
  return sum;
}

const jobs = (columns: string): Promise<Record<string, unknown>[]> => world.rows("job", columns);
const dispatches = (): Promise<{ jobs: number; state: string }[]> => world.rows("dispatch", "jobs, state");

test.each(["openai", "anthropic"] as const)(
  "%s: one line of each prefix primes, the others wait for its batch to end and then read",
  async (provider) => {
    world = await openWorld(TEN);
    for (const name of ["A", "B", "C"]) await ask(provider, name, 8);
    await world.look();
    expect((await dispatches()).map((one) => one.jobs)).toEqual([3]);
    expect((await jobs("held_for")).filter((job) => job["held_for"] !== null)).toHaveLength(21);
    await world.pass(EVENING + HOUR, MINUTE);
    expect(await bill()).toEqual({ reads: 21, writes: 3, fresh: 0, lines: 24 });
    expect((await dispatches()).map((one) => one.jobs).sort((a, b) => a - b)).toEqual([3, 21]);
    const attempts = await world.rows<{ state: string; decision: string }>("attempt", "state, decision");
    expect(attempts.every((attempt) => attempt.state === "answered")).toBe(true);
  },
);

test("lines of one prefix ride together and in order, whatever order they came in", async () => {
  world = await openWorld(TEN);
  for (let i = 0; i < 12; i++) await ask("anthropic", ["A", "B", "C"][i % 3] ?? "A", 1, { batchId: "batch_all", lineNo: i });
  await world.pass(EVENING + 30 * MINUTE, MINUTE);
  const [main] = (await world.rows<{ id: string; jobs: number }>("dispatch", "id, jobs")).filter((one) => one.jobs === 9);
  const rows = await readChunk(world.database.store.sql, { dispatchId: main?.id ?? "", states: ["answered"] });
  const names = rows.map((row) => /Question (.)/.exec(row.body ?? "")?.[1]);
  expect(names).toHaveLength(9);
  // Each name's lines stand side by side: two changes of name in nine lines.
  expect(names.filter((name, at) => at > 0 && name !== names[at - 1])).toHaveLength(2);
});

test("too few lines to earn the write back go without a breakpoint, at the plain price", async () => {
  world = await openWorld(TEN);
  await ask("anthropic", "A", 2);
  await ask("openai", "B", 1);
  await world.pass(EVENING + HOUR, MINUTE);
  // OpenAI's model would have written by itself: it was told not to.
  expect(await bill()).toEqual({ reads: 0, writes: 0, fresh: 3, lines: 3 });
});

test("lines without time for a second turnaround are sent at once and cold", async () => {
  world = await openWorld(TEN);
  await ask("anthropic", "A", 20, { lanesAllow: ["anthropic-batch"], deadlineAtMs: EVENING + 40 * MINUTE });
  await world.look();
  expect((await dispatches()).map((one) => one.jobs)).toEqual([20]);
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await bill()).toMatchObject({ reads: 0, writes: 0, fresh: 20 });
});

test("a priming batch that never ends is waited for while there is room, and every job makes its deadline", async () => {
  world = await openWorld({ batchTurnaroundMs: 48 * HOUR });
  await ask("anthropic", "A", 12, { deadlineAtMs: EVENING + 8 * HOUR });
  await world.pass(EVENING + 8 * HOUR, 2 * MINUTE);
  const answered = await world.rows<{ jobId: string; at: number }>("attempt", `job_id as "jobId", answered_at_ms as at`);
  const done = answered.filter((row) => row.at !== null && row.at <= EVENING + 8 * HOUR);
  const states = await world.rows<{ state: string }>("attempt", "state");
  expect(states.filter((row) => row.state === "answered")).toHaveLength(12);
  expect(new Set(done.map((row) => row.jobId)).size).toBe(12);
  expect((await jobs("held_for")).every((job) => job["held_for"] === null)).toBe(true);
});

test("a priming batch that the provider refuses sets the others free, and none is lost", async () => {
  world = await openWorld(TEN);
  world.emulator.addFaults({ match: { provider: "anthropic", method: "POST", path: "/v1/messages/batches" }, preset: "overloaded", times: 1 });
  await ask("anthropic", "A", 10);
  await world.pass(EVENING + 2 * HOUR, MINUTE);
  const states = await world.rows<{ state: string }>("attempt", "state");
  expect(states.filter((row) => row.state === "answered")).toHaveLength(10);
});

test("a planner that dies after priming leaves everything in rows: another goes on where it stopped", async () => {
  world = await openWorld(TEN);
  await ask("openai", "A", 10);
  await planDue(world.planDeps, new AbortController().signal);
  // A fresh process remembers nothing of this one.
  const { createPromptTraffic } = await import("./traffic.ts");
  Object.assign(world.planDeps, { prompts: createPromptTraffic() });
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await bill()).toEqual({ reads: 9, writes: 1, fresh: 0, lines: 10 });
});

test("later jobs of a prefix that a batch has warmed are marked without priming again", async () => {
  world = await openWorld(TEN);
  await ask("anthropic", "A", 6);
  await world.pass(EVENING + 25 * MINUTE, MINUTE);
  await ask("anthropic", "A", 6, { batchId: "batch_later" });
  await world.pass(EVENING + HOUR, MINUTE);
  expect(await bill()).toEqual({ reads: 11, writes: 1, fresh: 0, lines: 12 });
});

test.each(["openai", "anthropic"] as const)("%s in real time: the first of each prefix writes, the others wait for it and read", async (provider) => {
  world = await openWorld();
  for (const name of ["A", "B"]) await ask(provider, name, 10, { lanesAllow: [provider] });
  await world.pass(EVENING + MINUTE, MINUTE / 12);
  expect(await bill()).toEqual({ reads: 18, writes: 2, fresh: 0, lines: 20 });
});

test("at OpenAI a prefix is sent three times a quarter of a minute under one key, and the rest a little later", async () => {
  world = await openWorld();
  await ask("openai", "A", 30, { lanesAllow: ["openai"] });
  await world.look();
  expect((await bill()).lines).toBe(3);
  await world.pass(EVENING + 3 * MINUTE, MINUTE / 12);
  expect(await bill()).toEqual({ reads: 29, writes: 1, fresh: 0, lines: 30 });
});

test("where there is no time to spread them, further keys take what is beyond the first, each with a write of its own", async () => {
  world = await openWorld();
  await ask("openai", "A", 30, { lanesAllow: ["openai"], deadlineAtMs: null });
  await world.look();
  expect(await bill()).toEqual({ reads: 27, writes: 3, fresh: 0, lines: 30 });
});

test("a request whose caller steers the cache goes out byte for byte", async () => {
  world = await openWorld();
  const value = {
    messages: [
      { role: "system", content: [{ type: "text", text: long("A"), prompt_cache_breakpoint: { mode: "explicit" } }] },
      { role: "user", content: "?" },
    ],
  };
  expect(promptPrefix({ tenantId: "ten", endpoint: "/v1/chat/completions", value })).toBeNull();
  const body = JSON.stringify({ model: "gpt-5.6-luna", max_completion_tokens: 5, ...value });
  await world.accept(3, { model: "gpt-5.6-luna", baselineModel: "gpt-5.6-luna", body, bodyBytes: body.length, prefix: null, deadlineAtMs: null });
  await world.look();
  const decisions = await world.rows<{ decision: string }>("attempt", "decision");
  expect(decisions.every(({ decision }) => JSON.parse(decision).promptCache === undefined)).toBe(true);
});
