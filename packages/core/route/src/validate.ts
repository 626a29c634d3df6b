import { equationsOf, holds } from "./arithmetic.ts";

/** An answer as the free validators see it. */
export interface ToValidate {
  readonly text: string;
  /** Why it ended, in the provider's word. */
  readonly finish: string | null;
  readonly wantsJson: boolean;
  readonly schema: unknown;
}

const TRUNCATED = ["length", "max_tokens", "max_output_tokens", "incomplete"];
const REFUSAL = /^\W*(?:I(?:'m| am) (?:sorry|unable|not able)|I (?:cannot|can't|can not|won't)|Sorry,|Unfortunately, I|As an AI)/i;
const HEDGE = /\b(?:I(?:'m| am) not (?:sure|certain)|I don't know|cannot be determined|not enough information|insufficient information)\b/i;
const DEPTH_MAX = 30;
const LEAST_EQUATIONS = 2;

/** Why a cheap answer must not stand, by checks that cost nothing: empty, cut off, refused, hedged, not the JSON that was asked for, arithmetic wrong. `null` for none of it. */
export function faultOf({ text, finish, wantsJson, schema }: ToValidate): string | null {
  if (text.trim() === "") return "the answer is empty";
  if (finish !== null && TRUNCATED.includes(finish)) return "the answer was cut off";
  if (REFUSAL.test(text)) return "the answer is a refusal";
  if (HEDGE.test(text)) return "the answer hedges";
  if (wantsJson) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return "the answer is not the JSON that was asked for";
    }
    const at = schema === null ? null : mismatch(value, schema, "$", 0);
    return at === null ? null : `the answer does not follow its schema at ${at}`;
  }
  const equations = equationsOf(text);
  const wrong = equations.filter((equation) => !holds(equation)).length;
  return equations.length >= LEAST_EQUATIONS && wrong * 2 > equations.length ? "most of the answer's arithmetic is wrong" : null;
}

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
};

/** Where a value first breaks its schema: types, enums, required and surplus members, items. What this does not know (references, patterns) counts as kept. */
function mismatch(value: unknown, schema: unknown, path: string, depth: number): string | null {
  if (typeof schema !== "object" || schema === null || depth > DEPTH_MAX) return null;
  const { type, enum: allowed, required, properties, items, additionalProperties } = schema as Record<string, unknown>;
  const types = type === undefined ? [] : Array.isArray(type) ? type : [type];
  if (types.length > 0 && !types.some((one) => TYPES[String(one)]?.(value) ?? true)) return path;
  if (Array.isArray(allowed) && !allowed.some((one) => JSON.stringify(one) === JSON.stringify(value))) return path;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      const at = mismatch(item, items, `${path}[${i}]`, depth + 1);
      if (at !== null) return at;
    }
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const members = value as Record<string, unknown>;
  const known = (properties ?? {}) as Record<string, unknown>;
  for (const name of Array.isArray(required) ? required : []) if (!Object.hasOwn(members, String(name))) return `${path}.${name}`;
  for (const [name, member] of Object.entries(members)) {
    if (!Object.hasOwn(known, name)) {
      if (additionalProperties === false) return `${path}.${name}`;
      continue;
    }
    const at = mismatch(member, known[name], `${path}.${name}`, depth + 1);
    if (at !== null) return at;
  }
  return null;
}
