import { createLanes } from "@slowboat/lanes";
import { loadPriceBook, resolveModel, STANDARD_PRICES } from "@slowboat/pricing";
import { createLogger } from "@slowboat/runtime";
import { seedTenant, testRng } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PARKING } from "../testing/parking.ts";
import { openWorld, type World } from "../testing/world.ts";
import { createInteractive, type Interactive } from "./create-interactive.ts";
import type { InteractiveRequest } from "./request.ts";

const book = loadPriceBook(STANDARD_PRICES);
const { signal } = new AbortController();
let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

function fresh(): { readonly interactive: Interactive; readonly parkedMs: (lane: string) => number } {
  const { url } = world.emulator;
  const lanes = createLanes({
    openai: { apiKey: "sk-test", baseURL: `${url}/v1` },
    anthropic: { apiKey: "sk-test", baseURL: url },
    emulated: true,
    clock: world.clock,
    pace: { rng: testRng(3), nowMs: world.clock.real, waitMsMax: 0 },
  });
  const { store, queue, time, logger } = { ...world.laneDeps, logger: createLogger("test", "silent") };
  return { interactive: createInteractive({ store, queue, lanes, book, time, logger }), parkedMs: (lane) => lanes.get(lane)?.pace?.().parkedMs ?? 0 };
}

test("a waiting caller of an account that refuses everything is told so with the time of the next try, and no further call is sent, whatever the code", async () => {
  const who = await seedTenant(world.database.store, { clock: world.clock });
  const asking = (provider: "openai" | "anthropic"): InteractiveRequest => {
    const name = provider === "openai" ? "gpt-5.4-mini" : "claude-haiku-4-5";
    const model = resolveModel(book, name);
    if (model === null) throw new Error("no such model in the book");
    const value = { model: name, max_tokens: 9, messages: [{ role: "user", content: "x" }] };
    return {
      ...who,
      allowUnpriced: false,
      budgeted: false,
      surface: provider,
      endpoint: provider === "openai" ? "/v1/chat/completions" : "/v1/messages",
      model,
      body: JSON.stringify(value),
      value,
      deadlineAtMs: null,
      allow: [provider],
      deny: null,
      cache: { mode: "off", semantic: null },
      tier: null,
      maxOutputTokens: 9,
      stream: false,
      fallbacks: [],
    };
  };
  for (const [provider, status, body] of PARKING) {
    const said = `${provider} ${status} ${JSON.stringify(body)}`;
    const { interactive, parkedMs } = fresh();
    world.emulator.addFaults({ match: { path: provider === "openai" ? "/v1/chat/completions" : "/v1/messages" }, status, body });
    const reply = await interactive.run(asking(provider), signal);
    if (reply.kind !== "failed") throw new Error(`${said} was answered`);
    expect(reply.fault, said).toMatchObject({ code: "lane-unavailable", status: 503, retryable: true });
    const [attempt] = await world.database.store.sql`select state, outcome from attempt where job_id = ${reply.jobId}`;
    expect(attempt, said).toMatchObject({ state: "void", outcome: "parked" });
    expect(parkedMs(provider), said).toBeGreaterThan(0);
    const again = await interactive.run(asking(provider), signal).catch((error: unknown) => error);
    expect(again, said).toMatchObject({ code: "lane-unavailable", detail: { retryAfterMs: expect.any(Number) } });
    await interactive.close();
  }
  expect((await world.emulator.invoice()).lines).toEqual([]);
});
