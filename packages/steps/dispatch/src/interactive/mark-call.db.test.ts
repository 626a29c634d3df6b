import { type Emulator, startEmulator } from "@slowboat/emulator";
import { createLanes } from "@slowboat/lanes";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { createLogger } from "@slowboat/runtime";
import { seedTenant, type TestClock, type TestDatabase, testClock, testDatabase, testQueue, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createInteractive, type Interactive } from "./create-interactive.ts";

const book = loadPriceBook(STANDARD_PRICES);
const long = `Rules: ${"The river is long and the boats are slow, but they carry much for little. ".repeat(340)}`;

let database: TestDatabase;
let queue: Queue;
let clock: TestClock;
let emulator: Emulator;
let interactive: Interactive;
let ask: (endpoint: "/v1/messages" | "/v1/chat/completions", model: string, value: Record<string, unknown>) => Promise<Record<string, unknown>>;

beforeEach(async () => {
  database = await testDatabase();
  queue = await testQueue(database);
  clock = testClock(Date.parse("2026-11-25T22:00:00Z"));
  emulator = await startEmulator({ latency: "instant", clock: clock.job });
  const lanes = createLanes({
    openai: { apiKey: "k", baseURL: `${emulator.url}/v1` },
    anthropic: { apiKey: "k", baseURL: emulator.url },
    emulated: true,
  });
  const who = await seedTenant(database.store, { clock });
  interactive = createInteractive({
    store: database.store,
    queue,
    lanes,
    book,
    time: { clock, rng: testRng(3) },
    logger: createLogger("test", "silent"),
  });
  ask = async (endpoint, name, value) => {
    const model = resolveModel(book, name);
    if (model === null) throw new Error("no such model in the book");
    const body = JSON.stringify({ model: name, ...value });
    const request = {
      ...who,
      allowUnpriced: false,
      budgeted: false,
      surface: "openai" as const,
      endpoint,
      model,
      body,
      value: JSON.parse(body),
      deadlineAtMs: null,
      allow: null,
    };
    const rest = { deny: null, cache: { mode: "off" as const, semantic: null }, tier: null, maxOutputTokens: 20, stream: false, fallbacks: [] };
    const reply = await interactive.run({ ...request, ...rest }, new AbortController().signal);
    if (reply.kind !== "answer" || reply.statusCode !== 200) throw new Error(JSON.stringify(reply));
    return JSON.parse(reply.body).usage;
  };
});
afterEach(async () => {
  await interactive.close();
  await emulator.stop();
  await queue.close();
  await database.drop();
});

const message = (question: string) => ({ max_tokens: 20, system: long, messages: [{ role: "user", content: question }] });
const chat = (...messages: object[]) => ({ max_completion_tokens: 20, messages: [{ role: "system", content: long }, ...messages] });
const user = (content: string) => ({ role: "user", content });

test("a beginning that nobody was seen to share is sent plain, the second time it is written, and from then on read", async () => {
  const seen: unknown[] = [];
  for (const question of ["one", "two", "three", "four"]) {
    const usage = await ask("/v1/messages", "claude-sonnet-5", message(question));
    seen.push([Number(usage["cache_creation_input_tokens"]) > 5_000, Number(usage["cache_read_input_tokens"]) > 5_000]);
    clock.advance(30_000);
  }
  expect(seen).toEqual([
    [false, false],
    [true, false],
    [false, true],
    [false, true],
  ]);
});

test("what was added is in the decision that was committed before the call", async () => {
  await ask("/v1/messages", "claude-sonnet-5", message("one"));
  await ask("/v1/messages", "claude-sonnet-5", message("two"));
  const rows = await database.store.sql<{ decision: string }[]>`select decision from attempt order by created_at_ms, id`;
  const marked = rows.map(({ decision }) => JSON.parse(decision).promptCache).filter((one) => one !== undefined);
  expect(marked).toMatchObject([{ breakpoints: [{ at: "system" }], cacheKey: null }]);
});

test("a conversation at GPT-5.6 keeps its cache key from turn to turn, so that each turn reads the one before", async () => {
  const first = user("Where do they go?");
  const details = (usage: Record<string, unknown>) => usage["prompt_tokens_details"] as { cached_tokens: number };
  await ask("/v1/chat/completions", "gpt-5.6-luna", chat(first));
  const second = [first, { role: "assistant", content: "To sea." }, user("And then?")];
  expect(details(await ask("/v1/chat/completions", "gpt-5.6-luna", chat(...second))).cached_tokens).toBeGreaterThan(5_000);
  const third = [...second, { role: "assistant", content: "Home." }, user("When?")];
  expect(details(await ask("/v1/chat/completions", "gpt-5.6-luna", chat(...third))).cached_tokens).toBeGreaterThan(5_000);
});
