import type { CacheTtl, Endpoint, PromptMarks } from "@slowboat/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { markPrompt } from "./mark.ts";
import { promptPrefix } from "./prefix.ts";

const SEED = 20_261_125;

/** Takes the markers out again, by their exact words, and undoes the one form that had to change. */
function unmarked(body: string): string {
  const marker = String.raw`"(?:cache_control":\{"type":"ephemeral"(?:,"ttl":"1h")?\}|prompt_cache_breakpoint":\{"mode":"explicit"(?:,"ttl":"12h")?\}),`;
  return body
    .replace(new RegExp(String.raw`\[\{"type":"(?:input_)?text",${marker}"text":("(?:[^"\\]|\\.)*")\}\]`, "g"), "$1")
    .replace(new RegExp(marker, "g"), "")
    .replace(/"prompt_cache_key":"sb-[\da-f-]+",/g, "")
    .replace('"prompt_cache_options":{"mode":"explicit"},', "");
}

const pad = fc.constantFrom("", " ", "\n\t ");
const long = fc.string({ minLength: 1, maxLength: 30 }).map((text) => `${text} ${"of slow boats and what they carry ".repeat(80)}`);
const literal = fc.oneof(
  long.map((text) => JSON.stringify(text)),
  long.map((text) => JSON.stringify(text).replaceAll("/", "\\/").replaceAll("o", "\\u006f")),
);
const block = (type: string) => fc.tuple(literal, pad).map(([text, space]) => `{${space}"type"${space}:"${type}",${space}"text":${text}${space}}`);
const content = (type: string) =>
  fc.oneof(
    literal,
    fc.array(block(type), { minLength: 1, maxLength: 4 }).map((blocks) => `[ ${blocks.join(" ,")}]`),
  );

interface Case {
  readonly endpoint: Endpoint;
  readonly body: string;
}

const item = (type: string) =>
  fc
    .tuple(fc.constantFrom("user", "assistant", "system"), content(type), pad)
    .map(([role, c, space]) => `{"role":"${role}",${space}"content"${space}:${c}}`);

const messages: fc.Arbitrary<Case> = fc
  .tuple(content("text"), fc.array(item("text"), { minLength: 1, maxLength: 4 }), literal, pad)
  .map(([system, items, description, space]) => ({
    endpoint: "/v1/messages",
    body: `{${space}"tools":[{"name":"f","description":${description}}${space}],"big":12345678901234567890,"system"${space}:${system},"messages":[${items.join(",")}]}`,
  }));
const chat: fc.Arbitrary<Case> = fc.tuple(fc.array(item("text"), { minLength: 1, maxLength: 4 }), pad).map(([items, space]) => ({
  endpoint: "/v1/chat/completions",
  body: `${space}{"n":1.0e+0,"messages"${space}:[${items.join(`${space},`)}]}`,
}));
const responses: fc.Arbitrary<Case> = fc.array(item("input_text"), { minLength: 1, maxLength: 4 }).map((items) => ({
  endpoint: "/v1/responses",
  body: `{"input":[${items.join(",")}]}`,
}));

test(`whatever is marked, taking the markers out gives the caller's bytes back (seed ${SEED})`, () => {
  let marked = 0;
  fc.assert(
    fc.property(
      fc.oneof(messages, chat, responses),
      fc.constantFrom<CacheTtl>("5m", "1h", "12h"),
      fc.boolean(),
      ({ endpoint, body }, ttl, explicit) => {
        const levels = promptPrefix({ tenantId: "ten_a", endpoint, value: JSON.parse(body) }) ?? [];
        const markable = levels.filter((level) => level.at !== "head");
        const cacheKey = endpoint === "/v1/messages" ? null : "sb-0123456789abcdef-2";
        const marks: PromptMarks = {
          breakpoints: markable.map(({ at, key }) => ({ at, key, ttl })),
          cacheKey,
          explicit: explicit && cacheKey !== null,
          group: null,
          tokens: 0,
          why: "",
        };
        const sent = markPrompt(endpoint, body, marks);
        marked += markable.length;
        expect(sent.split(endpoint === "/v1/messages" ? '"cache_control":' : '"prompt_cache_breakpoint":').length - 1).toBe(markable.length);
        expect(unmarked(sent)).toBe(body);
        // The prompt itself says the same, text for text.
        expect(texts(JSON.parse(sent))).toEqual(texts(JSON.parse(body)));
      },
    ),
    { seed: SEED, numRuns: 300 },
  );
  expect(marked).toBeGreaterThan(300);
});

/** Every text of the prompt in order, whichever form it has. */
function texts(value: unknown): unknown[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(texts);
  if (typeof value !== "object" || value === null) return [value];
  const skip = new Set(["cache_control", "prompt_cache_breakpoint", "prompt_cache_key", "prompt_cache_options", "type", "big", "n"]);
  return Object.entries(value)
    .filter(([key]) => !skip.has(key))
    .flatMap(([, member]) => texts(member));
}
