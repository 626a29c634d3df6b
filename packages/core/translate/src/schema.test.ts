import { expect, test } from "vitest";
import { Notes, Untranslatable } from "./fields.ts";
import { type Target, translateRequest } from "./index.ts";
import { fitsStrict, narrowSchema } from "./schema.ts";

const target: Target = { model: "claude-sonnet-4-5", defaultMaxTokens: 10 };
const narrow = (schema: unknown): { schema: unknown; notes: string[] } => {
  const notes = new Notes();
  return { schema: narrowSchema(schema, "schema", notes), notes: notes.list() };
};

test("every object is closed and rules that are not enforced move into the description", () => {
  const { schema, notes } = narrow({
    $schema: "x",
    type: "object",
    properties: {
      n: { type: "integer", minimum: 1, description: "A count." },
      l: { type: "array", items: { type: "object", properties: { a: { type: "string", format: "date" } } }, minItems: 3 },
      o: { oneOf: [{ type: "string", format: "color" }, { type: "null" }] },
      r: { $ref: "#/$defs/r" },
    },
    required: ["n"],
    $defs: { r: { enum: ["a", 1, null] } },
  });
  expect(schema).toEqual({
    type: "object",
    properties: {
      n: { type: "integer", description: "A count.\n\n{minimum: 1}" },
      l: {
        type: "array",
        items: { type: "object", properties: { a: { type: "string", format: "date" } }, additionalProperties: false },
        description: "{minItems: 3}",
      },
      o: { anyOf: [{ type: "string", description: '{format: "color"}' }, { type: "null" }] },
      r: { $ref: "#/$defs/r" },
    },
    required: ["n"],
    $defs: { r: { enum: ["a", 1, null] } },
    additionalProperties: false,
  });
  expect(notes.map((note) => note.split(":")[0])).toEqual([
    "schema.$schema",
    "schema.properties.n.minimum",
    "schema.properties.l.items",
    "schema.properties.l.minItems",
    "schema.properties.o.oneOf[].format",
    "schema.properties.o.oneOf",
    "schema",
  ]);
  // What is narrow already stays as it is, without a note.
  expect(narrow(schema)).toEqual({ schema, notes: [] });
});

test("a schema that closing would empty is refused by its path", () => {
  for (const [schema, path] of [
    [{ type: "object" }, "schema"],
    [{ type: "object", properties: { m: { type: "object", additionalProperties: { type: "string" } } } }, "schema.properties.m"],
    [{ type: "array", items: {} }, "schema.items"],
    [{ enum: [{ a: 1 }] }, "schema.enum"],
    [true, "schema"],
  ] as const) {
    let field = "";
    try {
      narrow(schema);
    } catch (error) {
      field = error instanceof Untranslatable ? error.field : String(error);
    }
    expect(field).toBe(path);
  }
});

test("a property named like a prototype's member is a property like any other", () => {
  const schema = JSON.parse(
    '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"}},"additionalProperties":false}',
  );
  expect(JSON.stringify(narrow(schema).schema)).toBe(JSON.stringify(schema));
});

test("strict mode is asked for only where the schema allows it", () => {
  const closed = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };
  expect(fitsStrict(closed)).toBe(true);
  expect(fitsStrict({ ...closed, required: [] })).toBe(false);
  expect(fitsStrict({ ...closed, additionalProperties: true })).toBe(false);
  expect(fitsStrict({ ...closed, properties: { a: { type: "object", properties: {} } } })).toBe(false);
  expect(fitsStrict({ type: "array", items: { type: "string" } })).toBe(false);
  const asked = (schema: object) => ({
    model: "m",
    max_tokens: 5,
    messages: [{ role: "user", content: "x" }],
    output_config: { format: { type: "json_schema", schema } },
  });
  for (const [schema, strict] of [
    [closed, true],
    [{ ...closed, required: [] }, false],
  ] as const) {
    const result = translateRequest("/v1/messages", "/v1/chat/completions", JSON.stringify(asked(schema)), { ...target, model: "gpt-4.1" });
    const body = JSON.parse(result.kind === "translated" ? result.body : "{}") as Record<string, unknown>;
    expect(body["response_format"]).toEqual({ type: "json_schema", json_schema: { name: "answer", schema, strict } });
    expect(result.kind === "translated" && result.notes.length).toBe(strict ? 0 : 1);
  }
});

test("JSON mode becomes an instruction, a JSON schema an enforced format", () => {
  const chat = (format: object): Record<string, unknown> => {
    const body = JSON.stringify({ messages: [{ role: "user", content: "x" }], max_tokens: 5, response_format: format });
    const result = translateRequest("/v1/chat/completions", "/v1/messages", body, target);
    return JSON.parse(result.kind === "translated" ? result.body : "{}") as Record<string, unknown>;
  };
  expect(chat({ type: "text" })).not.toHaveProperty("output_config");
  expect(chat({ type: "json_object" })["system"]).toMatchObject([{ text: expect.stringContaining("one valid JSON object") }]);
  const schema = { type: "object", properties: { a: { type: "string" } }, additionalProperties: false };
  expect(chat({ type: "json_schema", json_schema: { name: "x", strict: true, schema } })["output_config"]).toEqual({
    format: { type: "json_schema", schema },
  });
});
