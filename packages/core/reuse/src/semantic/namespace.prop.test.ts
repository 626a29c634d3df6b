import type { Endpoint } from "@slowboat/contract";
import { hexOf } from "@slowboat/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EMBEDDER, namespaceOf, questionOf } from "../index.ts";

const SEED = 20_261_128;
const RUNS = { seed: SEED, numRuns: 300 };

/** A request of an endpoint whose question stands at its end. */
interface Ask {
  readonly tenantId: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly embedder: string;
  readonly system: string;
  readonly history: readonly string[];
  readonly question: string;
  readonly schema: unknown;
  readonly temperature: number;
}

const word = fc.stringMatching(/^[a-z]{5,8}$/);
const sentence = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(" "));
const ask: fc.Arbitrary<Ask> = fc.record({
  tenantId: fc.constantFrom("ten_a", "ten_b", 'ten_a","x'),
  endpoint: fc.constantFrom<Endpoint>("/v1/chat/completions", "/v1/messages", "/v1/responses"),
  model: fc.constantFrom("gpt-5.4-mini", "gpt-5.4", "claude-haiku-4-5"),
  embedder: fc.constantFrom("a-1", "a-2"),
  system: sentence,
  history: fc.array(sentence, { maxLength: 3 }),
  question: sentence,
  schema: fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }),
  temperature: fc.constantFrom(0, 0.5, 1),
});

function bodyOf({ endpoint, model, system, history, question, schema, temperature }: Ask): Record<string, unknown> {
  const turns = [...history.map((content, at) => ({ role: at % 2 === 0 ? "user" : "assistant", content })), { role: "user", content: question }];
  const rest = { model, temperature, ...(schema === undefined ? {} : { response_format: schema }) };
  if (endpoint === "/v1/messages") return { ...rest, max_tokens: 50, system, messages: turns };
  if (endpoint === "/v1/responses") return { ...rest, instructions: system, input: turns };
  return { ...rest, messages: [{ role: "system", content: system }, ...turns] };
}

function keysOf(of: Ask): { readonly namespace: string; readonly family: string } {
  const value = bodyOf(of);
  const found = namespaceOf({ ...of, value, body: JSON.stringify(value) }, of.question);
  if (found === null) throw new Error("the request ends with a question");
  return { namespace: hexOf(found.namespace), family: hexOf(found.family) };
}

/** Everything but the question, in one text. */
const contextOf = ({ question: _, ...rest }: Ask): string => JSON.stringify(rest);

test(`two requests share a namespace only where tenant, model, encoder, instructions, history, schema and parameters are the same (seed ${SEED})`, () => {
  fc.assert(
    fc.property(ask, ask, (a, b) => {
      fc.pre(contextOf(a) !== contextOf(b));
      expect(keysOf(a).namespace).not.toBe(keysOf(b).namespace);
    }),
    RUNS,
  );
});

test(`a change of any one of them is another namespace, and another tenant another family as well (seed ${SEED})`, () => {
  const changes: readonly ((of: Ask) => Ask)[] = [
    (of) => ({ ...of, tenantId: `${of.tenantId}x` }),
    (of) => ({ ...of, model: `${of.model}x` }),
    (of) => ({ ...of, embedder: `${of.embedder}x` }),
    (of) => ({ ...of, system: `${of.system}x` }),
    (of) => ({ ...of, history: [...of.history, "x", "y"] }),
    (of) => ({ ...of, schema: { other: of.schema ?? null } }),
    (of) => ({ ...of, temperature: of.temperature + 0.25 }),
  ];
  fc.assert(
    fc.property(ask, (of) => {
      const seen = new Set([keysOf(of).namespace, ...changes.map((change) => keysOf(change(of)).namespace)]);
      expect(seen.size).toBe(changes.length + 1);
      expect(keysOf({ ...of, tenantId: `${of.tenantId}x` }).family).not.toBe(keysOf(of).family);
    }),
    RUNS,
  );
});

test(`the words of the question alone change nothing, and neither do key order, spaces, user and metadata (seed ${SEED})`, () => {
  fc.assert(
    fc.property(ask, sentence, (of, other) => {
      expect(keysOf({ ...of, question: other })).toEqual(keysOf(of));
      const value = bodyOf(of);
      const turned = Object.fromEntries(Object.entries({ ...value, user: "u", metadata: { a: "b" }, stream: true }).reverse());
      const found = namespaceOf({ ...of, value: turned, body: JSON.stringify(turned, null, 2) }, of.question);
      expect(hexOf(found?.namespace ?? new Uint8Array())).toBe(keysOf(of).namespace);
    }),
    RUNS,
  );
});

test(`a conversation's earlier turns are never shared: the same last words after other ones are another namespace (seed ${SEED})`, () => {
  fc.assert(
    fc.property(ask, fc.array(sentence, { minLength: 1, maxLength: 3 }), (of, history) => {
      fc.pre(JSON.stringify(history) !== JSON.stringify(of.history));
      expect(keysOf({ ...of, history }).namespace).not.toBe(keysOf(of).namespace);
    }),
    RUNS,
  );
});

const chat = (question: string, more: Record<string, unknown> = {}) => {
  const value = { model: "gpt-5.4-mini", messages: [{ role: "user", content: question }], ...more };
  return { tenantId: "ten_a", keyId: "k", endpoint: "/v1/chat/completions" as const, model: "gpt-5.4-mini", body: JSON.stringify(value), value };
};
const asked = { mode: "exact", semantic: { maxError: 0.01, ttlMs: null, asked: true } } as const;
const usual = { mode: "auto", semantic: { maxError: 0.01, ttlMs: 3_600_000, asked: false } } as const;

test("only a question that stands by itself is looked up, and only where it is wished", () => {
  const plain = chat("What is the tallest mountain in Europe?");
  expect(questionOf({ ...plain, wish: asked })).toMatchObject({ embedder: EMBEDDER, maxError: 0.01 });
  expect(questionOf({ ...plain, wish: { mode: "exact", semantic: null } })).toBeNull();
  expect(questionOf({ ...chat("And how old is he?"), wish: asked })).toBeNull();
  expect(questionOf({ ...chat("What is the tallest mountain in Europe?", { tools: [{ type: "function" }] }), wish: asked })).toBeNull();
});

test("a tenant's setting does not reach requests that ask for chance; a request's own wish does", () => {
  const warm = chat("What is the tallest mountain in Europe?", { temperature: 0.7 });
  expect(questionOf({ ...warm, wish: usual })).toBeNull();
  expect(questionOf({ ...warm, wish: asked })).not.toBeNull();
});

test("an answer lives no longer than its subject, however long the tenant would keep it", () => {
  const long = { mode: "auto", semantic: { maxError: 0.01, ttlMs: 365 * 86_400_000, asked: false } } as const;
  const life = questionOf({ ...chat("Who is the president of Italy?"), wish: long })?.ttlMs ?? 0;
  expect(life).toBeGreaterThan(0);
  expect(life).toBeLessThan(31 * 86_400_000);
  expect(questionOf({ ...chat("What is the tallest mountain in Europe?"), wish: usual })?.ttlMs).toBe(3_600_000);
});
