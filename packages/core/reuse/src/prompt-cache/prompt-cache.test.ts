import type { Endpoint, PromptMarks } from "@slowboat/contract";
import { loadPriceBook, promptRates, STANDARD_PRICES, type Tier } from "@slowboat/pricing";
import { expect, test } from "vitest";
import { markPrompt } from "./mark.ts";
import { leastPrefixTokens } from "./minimum.ts";
import { planMarks } from "./plan-marks.ts";
import { type PrefixLevel, promptPrefix, readLevels, writeLevels } from "./prefix.ts";
import { arrivalChance, bestTtl, type Reuse } from "./worth.ts";

const book = loadPriceBook(STANDARD_PRICES);
const NOW = Date.parse("2026-11-25T22:00:00Z");
const long = (name: string, tokens = 6000): string => `${name} ${"carries much for little. ".repeat(Math.ceil((tokens * 4) / 25))}`;
const levelsOf = (endpoint: Endpoint, value: Record<string, unknown>, tenantId = "ten_a"): PrefixLevel[] =>
  promptPrefix({ tenantId, endpoint, value }) ?? [];
const ask = (system: unknown, question: string, more: object = {}): Record<string, unknown> => ({
  model: "claude-sonnet-5",
  system,
  messages: [{ role: "user", content: question }],
  ...more,
});
const COLD: Reuse = { waiting: 0, seen: 0, overMs: 0, warm: false };
const rates = (provider: "openai" | "anthropic", model: string, tier: Tier = "standard") => promptRates(book, { provider, model, tier }, 6000, NOW);
const plan = (
  provider: "openai" | "anthropic",
  model: string,
  reuse: Reuse | ((level: PrefixLevel) => Reuse),
  more: { single?: boolean; tier?: Tier } = {},
): PromptMarks | null =>
  planMarks({
    levels: provider === "anthropic" ? levelsOf("/v1/messages", ask(long("A"), "Why?")) : levelsOf("/v1/chat/completions", chat(long("A"), "Why?")),
    provider,
    model,
    endpoint: provider === "anthropic" ? "/v1/messages" : "/v1/chat/completions",
    rates: rates(provider, model, more.tier),
    reuseOf: typeof reuse === "function" ? reuse : () => reuse,
    single: more.single ?? true,
  });
const chat = (system: string, question: string): Record<string, unknown> => ({
  messages: [
    { role: "system", content: system },
    { role: "user", content: question },
  ],
});

test("prompts with the same beginning have the same key there, whatever follows, and no two tenants share one", () => {
  const [a] = levelsOf("/v1/messages", ask(long("A"), "Why?"));
  expect(levelsOf("/v1/messages", ask(long("A"), "How?"))).toEqual([a]);
  expect(levelsOf("/v1/messages", ask([{ type: "text", text: long("A") }], "How?"))[0]?.key).toBe(a?.key);
  expect(levelsOf("/v1/messages", ask(long("B"), "Why?"))[0]?.key).not.toBe(a?.key);
  expect(levelsOf("/v1/messages", ask(long("A"), "Why?"), "ten_b")[0]?.key).not.toBe(a?.key);
  expect(levelsOf("/v1/messages", ask(long("A"), "Why?", { tools: [{ name: "f" }] }))[0]?.key).not.toBe(a?.key);
});

test("a level is estimated from its text, and the block that ends the prompt is none", () => {
  const levels = levelsOf("/v1/messages", {
    tools: [{ name: "f", description: long("T", 1000) }],
    system: long("S", 2000),
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: long("D", 3000) },
          { type: "text", text: long("Q", 900) },
        ],
      },
    ],
  });
  expect(levels.map((level) => level.at)).toEqual(["tools", "system", "m0.0"]);
  expect(levels.map((level) => Math.round(level.tokens / 1000))).toEqual([1, 3, 6]);
});

test("between the first shared block and the last before the question, middle levels are dropped: at most four are kept", () => {
  const turns = Array.from({ length: 9 }, (_, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content: long(String(i), 700) }));
  expect(levelsOf("/v1/messages", { tools: [{ name: long("T", 600) }], system: long("S", 600), messages: turns }).map((l) => l.at)).toEqual([
    "tools",
    "system",
    "m0.0",
    "m7.0",
  ]);
});

test("what the message level rests on is a part of its keys and not of the system's", () => {
  const of = (more: object) =>
    levelsOf("/v1/messages", {
      system: long("S"),
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: long("D") },
            { type: "text", text: "?" },
          ],
        },
      ],
      ...more,
    });
  const [system, context] = of({});
  const [sameSystem, other] = of({ tool_choice: { type: "any" } });
  expect(sameSystem?.key).toBe(system?.key);
  expect(other?.key).not.toBe(context?.key);
});

test.each([
  ["/v1/messages", { system: [{ type: "text", text: long("S"), cache_control: { type: "ephemeral" } }], messages: [{ role: "user", content: "?" }] }],
  ["/v1/messages", { cache_control: { type: "ephemeral" }, system: long("S"), messages: [{ role: "user", content: "?" }] }],
  ["/v1/messages", { system: long("S"), messages: [{ role: "user", content: [{ type: "text", text: "?", cache_control: null }] }] }],
  ["/v1/chat/completions", { ...chat(long("S"), "?"), prompt_cache_options: { mode: "implicit" } }],
  ["/v1/chat/completions", { ...chat(long("S"), "?"), prompt_cache_retention: "24h" }],
  [
    "/v1/chat/completions",
    {
      messages: [
        { role: "system", content: [{ type: "text", text: long("S"), prompt_cache_breakpoint: { mode: "explicit" } }] },
        { role: "user", content: "?" },
      ],
    },
  ],
  ["/v1/responses", { instructions: long("S"), previous_response_id: "resp_1", input: "?" }],
] as [Endpoint, Record<string, unknown>][])(
  "a request of %s whose caller steers the cache, or whose prompt lies elsewhere, is left alone (%#)",
  (endpoint, value) => {
    expect(promptPrefix({ tenantId: "ten_a", endpoint, value })).toBeNull();
  },
);

test("levels survive being written down", () => {
  const levels = levelsOf("/v1/messages", ask(long("A"), "Why?", { tools: [{ name: long("T", 600) }] }));
  expect(readLevels(writeLevels(levels) ?? "")).toEqual(levels);
  expect([writeLevels(null), writeLevels([]), readLevels("")]).toEqual([null, "", []]);
  expect(readLevels("rubbish m0.0:k:x")).toEqual([]);
});

test("a prompt that nobody is known to share gets no breakpoint, and an OpenAI model that writes by itself is told not to", () => {
  expect(plan("anthropic", "claude-sonnet-5", COLD)).toBeNull();
  expect(plan("openai", "gpt-5.6-luna", COLD)).toMatchObject({ breakpoints: [], explicit: true, cacheKey: null });
  expect(plan("openai", "gpt-5.6-luna", COLD, { single: false })).toMatchObject({ breakpoints: [], explicit: false, cacheKey: expect.any(String) });
  expect(plan("openai", "gpt-5-mini", COLD)).toBeNull();
});

test("one more request in the group pays for the write, at the shorter lifetime", () => {
  expect(plan("anthropic", "claude-sonnet-5", { ...COLD, waiting: 1 })?.breakpoints).toMatchObject([{ at: "system", ttl: "5m" }]);
  expect(plan("openai", "gpt-5.6-luna", { ...COLD, waiting: 1 })?.breakpoints).toMatchObject([{ at: "s0.0", ttl: "30m" }]);
});

test("requests that come every twenty minutes are kept an hour, those that come every ten seconds five minutes", () => {
  const every = (minutes: number, seen = 40): Reuse => ({ ...COLD, seen, overMs: seen * minutes * 60_000 });
  expect(plan("anthropic", "claude-opus-5", every(20))?.breakpoints[0]?.ttl).toBe("1h");
  expect(plan("anthropic", "claude-opus-5", every(1 / 6, 240))?.breakpoints[0]?.ttl).toBe("5m");
  expect(plan("anthropic", "claude-opus-5", every(600))).toBeNull();
});

test("below a model's minimum nothing is marked; an unknown model has the highest", () => {
  expect(leastPrefixTokens("anthropic", "claude-opus-5", true)).toBe(512);
  expect(leastPrefixTokens("anthropic", "claude-haiku-4-5-20251001", true)).toBe(4096);
  expect(leastPrefixTokens("anthropic", "claude-sonnet-5-5", true)).toBe(4096);
  const short = levelsOf("/v1/messages", ask(long("A", 3000), "Why?"));
  const marks = (model: string) =>
    planMarks({
      levels: short,
      provider: "anthropic",
      model,
      endpoint: "/v1/messages",
      rates: rates("anthropic", model),
      reuseOf: () => ({ ...COLD, waiting: 9 }),
      single: true,
    });
  expect(marks("claude-haiku-4-5")).toBeNull();
  expect(marks("claude-sonnet-5")?.breakpoints).toHaveLength(1);
});

test("where the price list has no cached price, as OpenAI's batch list for older models, nothing is done", () => {
  expect(plan("openai", "gpt-4.1-mini", { ...COLD, waiting: 9 }, { tier: "batch" })).toBeNull();
  expect(plan("openai", "gpt-4.1-mini", { ...COLD, waiting: 9 })).toMatchObject({
    breakpoints: [],
    cacheKey: expect.stringMatching(/^sb-[\da-f]{16}$/),
  });
});

test("a level that many share and one within it that few share each have a breakpoint; the longer lifetime stands first", () => {
  const levels = levelsOf("/v1/messages", {
    system: long("S"),
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: long("D") },
          { type: "text", text: "?" },
        ],
      },
    ],
  });
  const reuse =
    (at: string, waiting: number): ((level: PrefixLevel) => Reuse) =>
    (level) => ({ ...COLD, waiting: level.at === at ? waiting : 3 });
  const marks = (reuseOf: (level: PrefixLevel) => Reuse) =>
    planMarks({
      levels,
      provider: "anthropic",
      model: "claude-opus-5",
      endpoint: "/v1/messages",
      rates: rates("anthropic", "claude-opus-5"),
      reuseOf,
      single: true,
    })?.breakpoints;
  expect(marks(reuse("system", 50))?.map((one) => one.at)).toEqual(["system", "m0.0"]);
  // The same four requests share both: one breakpoint at the deeper is enough.
  expect(marks(reuse("system", 3))?.map((one) => one.at)).toEqual(["m0.0"]);
  expect(marks((level) => ({ ...COLD, seen: 40, overMs: 40 * (level.at === "system" ? 60_000 : 1_200_000) }))?.map((one) => one.ttl)).toEqual([
    "1h",
    "1h",
  ]);
});

test("the chance of another arrival follows what was seen and never promises what was not", () => {
  expect(arrivalChance(COLD, 3_600_000)).toBe(0);
  expect(arrivalChance({ seen: 1, overMs: 0 }, 300_000)).toBeCloseTo(0.25);
  expect(arrivalChance({ seen: 60, overMs: 3_600_000 }, 300_000)).toBeGreaterThan(0.95);
  const sonnet = rates("anthropic", "claude-sonnet-5");
  if (sonnet === null) throw new Error("the book has a price");
  expect(bestTtl(sonnet, { ...COLD, warm: true })?.share).toBeCloseTo(0.1);
});

test("a caller's own cache key stays, and is a part of what is matched", () => {
  const body = JSON.stringify({ prompt_cache_key: "mine", ...chat(long("A"), "Why?") });
  const marks = plan("openai", "gpt-5.6-luna", { ...COLD, waiting: 4 });
  if (marks === null) throw new Error("it pays");
  const sent = markPrompt("/v1/chat/completions", body, marks);
  expect(JSON.parse(sent)).toMatchObject({ prompt_cache_key: "mine", prompt_cache_options: { mode: "explicit" } });
  expect(levelsOf("/v1/chat/completions", JSON.parse(body))[0]?.key).not.toBe(levelsOf("/v1/chat/completions", chat(long("A"), "Why?"))[0]?.key);
});

test("a place that the body does not have is passed over", () => {
  const marks: PromptMarks = {
    breakpoints: ["tools", "m9.0", "m0.7", "head"].map((at) => ({ at, key: "k", ttl: "5m" })),
    cacheKey: null,
    explicit: false,
    group: null,
    tokens: 0,
    why: "",
  };
  const body = '{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"user"}],"tools":[]}';
  expect(markPrompt("/v1/messages", body, marks)).toBe(body);
});
