import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import type { AnthropicWire, OpenAiWire } from "./schemas/wire-types.ts";

export type Surface = "openai" | "anthropic";
export type OpenAiKind = keyof OpenAiWire;
export type AnthropicKind = keyof AnthropicWire;

type Schema = { [key: string]: unknown };
interface WireFile {
  readonly properties: Record<string, Schema>;
  readonly definitions: Record<string, Schema>;
}

/** Error types that Anthropic documents and its client's types leave out are among them. */
const ANTHROPIC_ERRORS = [
  "invalid_request_error",
  "authentication_error",
  "billing_error",
  "permission_error",
  "not_found_error",
  "conflict_error",
  "request_too_large",
  "rate_limit_error",
  "timeout_error",
  "api_error",
  "overloaded_error",
];

/** Members that our API adds to what the provider's has; clients ignore them. */
const OURS: Readonly<Record<string, Schema>> = { Model: { endpoints: { type: "array", items: { type: "string" } } } };

/** Checks a body against one kind of an API's messages; returns what is wrong with it, as text. */
export type WireCheck = (surface: Surface, kind: OpenAiKind | AnthropicKind, value: unknown) => string[];

/**
 * Compiles both APIs' schemas. They are closed: a member that no client knows is an error, unless `ours` and it is one of those that
 * our API adds on purpose.
 */
export function wireSchemas(ours: boolean): WireCheck {
  const compiled = new Map<string, ValidateFunction>();
  const files = { openai: openAiSchemas(ours), anthropic: anthropicSchemas() };
  const ajv = new Ajv({ strict: false, allErrors: false });
  for (const [surface, file] of Object.entries(files)) ajv.addSchema({ $id: surface, definitions: { ...file.definitions, wire: file } });
  return (surface, kind, value) => {
    const name = `${surface}#/definitions/wire/properties/${kind}`;
    const validate = compiled.get(name) ?? ajv.compile(refsIn(surface, files[surface].properties[kind] ?? {}));
    compiled.set(name, validate);
    if (validate(value)) return [];
    // Of a union the branch that comes closest speaks first.
    const errors = [...(validate.errors ?? [])].sort((a, b) => b.instancePath.length - a.instancePath.length);
    return errors.slice(0, 3).map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
  };
}

const read = (name: string): WireFile => JSON.parse(readFileSync(new URL(`schemas/${name}`, import.meta.url), "utf8")) as WireFile;

/** A schema of a file whose references name that file. */
const refsIn = (surface: Surface, schema: Schema): Schema =>
  JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', `"$ref":"${surface}#/`)) as Schema;

/** The client's types say that an absent member is left out, where the wire says `null`. */
function openAiSchemas(ours: boolean): WireFile {
  const file = read("openai.json");
  const { definitions } = file;
  nullable(definitions);
  // `output_text` is made by the client and never sent; `store` is sent and left out by the client.
  const response = definitions["Response"] as { required: string[]; properties: Schema };
  response.required = response.required.filter((name) => name !== "output_text");
  response.properties["store"] = { type: "boolean" };
  const error = definitions["ErrorObject"] ?? {};
  if (ours) {
    for (const [name, members] of Object.entries(OURS)) Object.assign((definitions[name]?.["properties"] ?? {}) as Schema, members);
    error["additionalProperties"] = true;
  }
  return file;
}

function nullable(at: unknown): void {
  if (Array.isArray(at)) at.forEach(nullable);
  if (typeof at !== "object" || at === null || Array.isArray(at)) return;
  const { properties, required } = at as { properties?: Schema; required?: string[] };
  if (properties !== undefined && typeof properties === "object" && !("$ref" in properties)) {
    for (const [name, schema] of Object.entries(properties)) {
      if (!(required ?? []).includes(name)) properties[name] = { anyOf: [schema, { type: "null" }] };
    }
  }
  for (const value of Object.values(at)) nullable(value);
}

function anthropicSchemas(): WireFile {
  const file = read("anthropic.json");
  file.definitions["ErrorObject"] = {
    type: "object",
    properties: { type: { enum: ANTHROPIC_ERRORS }, message: { type: "string" }, details: {} },
    required: ["type", "message"],
    additionalProperties: false,
  };
  return file;
}
