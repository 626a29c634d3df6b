import { type Notes, Untranslatable } from "./fields.ts";
import { asBag, asList, asNumber, type Bag } from "./json.ts";

/** Formats of strings that Anthropic's structured outputs enforce. */
const FORMATS = new Set(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"]);
const KEPT = new Set(["type", "title", "description", "default", "enum", "const", "$ref", "required"]);

const member = (key: string): string => (/^[\w$-]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
const isObjectType = (type: unknown): boolean => type === "object" || asList(type).includes("object");

/**
 * A JSON schema in the subset that Anthropic enforces. Every object is closed, which only narrows what may be answered; a rule that is
 * not enforced there (ranges, lengths, patterns) moves into the description, with a note. Throws `Untranslatable` where closing would
 * leave nothing to say: maps and objects or values of any shape.
 */
export function narrowSchema(schema: unknown, path: string, notes: Notes): Bag {
  const from = asBag(schema);
  if (!from) throw new Untranslatable(path, "is no schema that can be enforced");
  const out = new Map<string, unknown>();
  const rest = new Map<string, unknown>();
  for (const [key, value] of Object.entries(from)) place(key, value, { out, rest, path, notes });
  if (isObjectType(out.get("type")) || out.has("properties")) closeObject(from, out, path, notes);
  if (!["type", "enum", "const", "$ref", "anyOf", "allOf"].some((key) => out.has(key))) {
    throw new Untranslatable(path, "allows any value, which the other API cannot enforce");
  }
  if (rest.size > 0) {
    const said = [...rest].map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ");
    const before = out.get("description");
    out.set("description", `${typeof before === "string" && before !== "" ? `${before}\n\n` : ""}{${said}}`);
  }
  return Object.fromEntries(out);
}

interface Placing {
  readonly out: Map<string, unknown>;
  /** What is said in the description instead. */
  readonly rest: Map<string, unknown>;
  readonly path: string;
  readonly notes: Notes;
}

function place(key: string, value: unknown, { out, rest, path, notes }: Placing): void {
  const at = `${path}.${key}`;
  const all = (list: unknown): Bag[] => asList(list).map((one, i) => narrowSchema(one, `${at}[${i}]`, notes));
  const each = (bag: unknown): Bag =>
    Object.fromEntries(Object.entries(asBag(bag) ?? {}).map(([name, one]) => [name, narrowSchema(one, `${at}${member(name)}`, notes)]));
  if (key === "properties" || key === "$defs" || key === "definitions") out.set(key, each(value));
  else if (key === "items") out.set(key, narrowSchema(value, at, notes));
  else if (key === "anyOf" || key === "allOf") out.set(key, all(value));
  else if (key === "oneOf") {
    out.set("anyOf", all(value));
    notes.add(at, "enforced as anyOf");
  } else if (key === "enum" || key === "const") {
    if (asList(key === "enum" ? value : [value]).some((one) => asBag(one) !== null || Array.isArray(one))) {
      throw new Untranslatable(at, "has a value that is no scalar");
    }
    out.set(key, value);
  } else if (key === "format" ? FORMATS.has(String(value)) : key === "minItems" ? (asNumber(value) ?? 2) <= 1 : KEPT.has(key)) out.set(key, value);
  else if (key === "$schema" || key === "$id" || key === "$comment") notes.add(at, "dropped");
  else if (key !== "additionalProperties") {
    rest.set(key, value);
    notes.add(at, "said in the description only, since the other API does not enforce it");
  }
}

function closeObject(from: Bag, out: Map<string, unknown>, path: string, notes: Notes): void {
  const open = from["additionalProperties"];
  const named = Object.keys(asBag(from["properties"]) ?? {}).length;
  if (named === 0 && open !== false) throw new Untranslatable(path, "is an object of any members, which the other API cannot enforce");
  if (!out.has("type")) out.set("type", "object");
  out.set("additionalProperties", false);
  if (open !== false) notes.add(path, "closed to members that it does not name");
}

/** Whether OpenAI's strict mode accepts a schema: an object at the root, every object closed and all of its members required. */
export const fitsStrict = (schema: unknown): boolean => {
  const root = asBag(schema);
  return root !== null && root["type"] === "object" && root["anyOf"] === undefined && isStrict(root);
};

const NOT_STRICT = ["allOf", "oneOf", "not", "if", "then", "else", "patternProperties", "dependentRequired", "dependentSchemas"];

function isStrict(schema: unknown): boolean {
  const bag = asBag(schema);
  if (!bag || NOT_STRICT.some((key) => bag[key] !== undefined)) return false;
  if (!["type", "enum", "const", "$ref", "anyOf"].some((key) => bag[key] !== undefined)) return false;
  const properties = asBag(bag["properties"]) ?? {};
  if (isObjectType(bag["type"])) {
    const required = asList(bag["required"]);
    if (bag["additionalProperties"] !== false || !Object.keys(properties).every((key) => required.includes(key))) return false;
  }
  const inner = [
    ...Object.values(properties),
    ...Object.values(asBag(bag["$defs"]) ?? {}),
    ...Object.values(asBag(bag["definitions"]) ?? {}),
    ...asList(bag["anyOf"]),
    ...(bag["items"] === undefined ? [] : [bag["items"]]),
  ];
  return inner.every(isStrict);
}
