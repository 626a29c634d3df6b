import { asBag, type Bag, parseExact } from "./json.ts";

/** Under which Anthropic advises to hand on arguments that are no JSON object. */
const INVALID = "INVALID_JSON";

/**
 * The arguments of a function call as the object that a `tool_use` block has; numbers keep their digits. No arguments are `{}`; text that
 * is no JSON object (cut off, or made up by a model) is kept whole as `{"INVALID_JSON": text}`.
 */
export function inputOf(args: string): { readonly input: Bag; readonly valid: boolean } {
  if (args.trim() === "") return { input: {}, valid: true };
  const input = asBag(parseExact(args));
  return input ? { input, valid: true } : { input: { [INVALID]: args }, valid: false };
}

/** The arguments text of an input; the inverse of `inputOf`. */
export function argumentsOf(input: unknown): string {
  const bag = asBag(input) ?? {};
  const kept = bag[INVALID];
  if (typeof kept === "string" && Object.keys(bag).length === 1 && !inputOf(kept).valid) return kept;
  return JSON.stringify(bag);
}
