import type { Rng } from "@slowboat/kernel";
import { arrayOf, isObject, type Json, numberOf, textOf } from "./json.ts";

const DEPTH = 12;

interface Making {
  readonly root: Json;
  /** Sentences to fill text members with. */
  readonly text: string;
  /** The prompt in lower case: an enum value that occurs in it is preferred. */
  readonly prompt: string;
  readonly rng: Rng;
}

/** An instance of a JSON schema (the subset that structured outputs accept), filled from the prompt: valid, plausible, the same each time. */
export function instanceOf(schema: unknown, text: string, prompt: string, rng: Rng): unknown {
  const root = isObject(schema) ? schema : {};
  return make(root, { root, text, prompt: prompt.toLowerCase(), rng }, 0);
}

function resolve(schema: Json, making: Making): Json {
  const ref = schema["$ref"];
  if (typeof ref !== "string" || !ref.startsWith("#")) return schema;
  let at: unknown = making.root;
  for (const part of ref
    .slice(1)
    .split("/")
    .filter((p) => p !== ""))
    at = isObject(at) ? at[part.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
  return isObject(at) ? at : {};
}

function make(given: Json, making: Making, depth: number): unknown {
  const schema = resolve(given, making);
  if (depth > DEPTH) return null;
  if ("const" in schema) return schema["const"];
  const options = arrayOf(schema["enum"]);
  if (options.length > 0)
    return (
      options.find((o) => typeof o === "string" && o.length > 1 && making.prompt.includes(o.toLowerCase())) ??
      options[Math.floor(making.rng.float() * options.length)]
    );
  const branch = [...arrayOf(schema["anyOf"]), ...arrayOf(schema["oneOf"])].find((option) => isObject(option) && option["type"] !== "null");
  if (isObject(branch)) return make(branch, making, depth + 1);
  switch (typeOf(schema)) {
    case "object":
      return makeObject(schema, making, depth);
    case "array":
      return makeArray(schema, making, depth);
    case "boolean":
      return making.rng.float() < 0.5;
    case "integer":
      return Math.round(makeNumber(schema, making, 1, 10));
    case "number":
      return Math.round(makeNumber(schema, making, 0, 1) * 1000) / 1000;
    case "null":
      return null;
    default:
      return makeText(schema, making);
  }
}

function typeOf(schema: Json): string {
  const type = schema["type"];
  if (Array.isArray(type))
    return textOf(
      type.find((t) => t !== "null"),
      "null",
    );
  if (typeof type === "string") return type;
  if (isObject(schema["properties"])) return "object";
  return "items" in schema ? "array" : "string";
}

function makeObject(schema: Json, making: Making, depth: number): Json {
  const made: Json = {};
  if (isObject(schema["properties"]))
    for (const [name, member] of Object.entries(schema["properties"])) made[name] = make(isObject(member) ? member : {}, making, depth + 1);
  return made;
}

function makeArray(schema: Json, making: Making, depth: number): unknown[] {
  const least = numberOf(schema["minItems"]) ?? 1;
  const most = numberOf(schema["maxItems"]) ?? Math.max(least, 3);
  const items = isObject(schema["items"]) ? schema["items"] : {};
  const size = Math.min(50, least + Math.floor(making.rng.float() * (most - least + 1)));
  const words = [...new Set(making.text.match(/\p{L}{5,}/gu) ?? [])];
  const plain = typeOf(resolve(items, making)) === "string" && !("enum" in items);
  return Array.from({ length: size }, (_, i) => (plain && words.length > 0 ? words[i % words.length] : make(items, making, depth + 1)));
}

function makeNumber(schema: Json, making: Making, low: number, high: number): number {
  const least = numberOf(schema["minimum"]) ?? numberOf(schema["exclusiveMinimum"]) ?? low;
  const most = numberOf(schema["maximum"]) ?? numberOf(schema["exclusiveMaximum"]) ?? Math.max(high, least + 1);
  return least + making.rng.float() * (most - least);
}

function makeText(schema: Json, making: Making): string {
  switch (schema["format"]) {
    case "date":
      return "2026-01-31";
    case "date-time":
      return "2026-01-31T06:00:00Z";
    case "email":
      return "someone@example.com";
    case "uri":
      return "https://example.com/";
    default: {
      const most = numberOf(schema["maxLength"]) ?? 400;
      return making.text.slice(0, most).padEnd(numberOf(schema["minLength"]) ?? 0, ".");
    }
  }
}
