import { depthOf, LIMITS } from "@slowboat/kernel";

/** A JSON object as it was parsed. */
export type Bag = Record<string, unknown>;

interface RawNumber {
  readonly rawJSON: string;
}

/** The parts of the JSON object that the language has and its type library does not describe yet. */
const exact = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

const keepDigits = (_key: string, value: unknown, context: { readonly source?: string }): unknown =>
  typeof value === "number" && context.source !== undefined && String(value) !== context.source ? exact.rawJSON(context.source) : value;

/**
 * Whether some number in the text may not be written back as it stands: long ones, exponents, ends in `.0`, tiny ones, `-0`. A text in a
 * string may look like one, which costs time only: keeping digits is several times slower than plain parsing (1.3 MB of chat: 22 ms against 5 ms).
 */
const ODD_NUMBER = /[:[,]\s*(?:-0(?![.\d])|-?(?:[\d.]{16}|[\d.]+[eE]|\d+\.\d*0(?!\d)|0\.000))/;

/**
 * Parses JSON so that `JSON.stringify` writes every number with the digits it came with: a big integer, `1.0` and `-0` stay what they
 * were. `undefined` for text that is no JSON or nested deeper than the limit; never throws.
 */
export function parseExact(text: string): unknown {
  try {
    if (depthOf(text) > LIMITS.jsonDepth) return undefined;
    return ODD_NUMBER.test(text) ? exact.parse(text, keepDigits) : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A JSON object, or `null` for any other value. */
export const asBag = (value: unknown): Bag | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !exact.isRawJSON(value) ? (value as Bag) : null;

/** JSON text as an object with exact numbers, or `null`; never throws. */
export const parseBag = (text: string): Bag | null => asBag(parseExact(text));

/** A JSON array, or an empty one for any other value. */
export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A number, however it was written, or `null`. */
export function asNumber(value: unknown): number | null {
  if (typeof value === "number") return value;
  return exact.isRawJSON(value) ? Number(value.rawJSON) : null;
}

/** A text, or `null` for any other value. */
export const asText = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** A token count: a number from 0 up; anything else counts as 0. */
export const asCount = (value: unknown): number => Math.max(0, asNumber(value) ?? 0);
