import { fault } from "@slowboat/kernel";

const LIST_MAX = 1000;
const LIST_DEFAULT = 20;

/** Reads `limit` of a list of the Anthropic-compatible API: 20 where it is missing, at most 1,000. */
export function listLimit(text: string | undefined): number {
  if (text === undefined) return LIST_DEFAULT;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIST_MAX) throw fault("invalid-request", { param: "limit", message: `limit: Input should be between 1 and ${LIST_MAX}` });
  return limit;
}
