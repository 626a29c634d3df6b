import type { Endpoint } from "@slowboat/contract";

/**
 * How far a caller lets answers be given again.
 * - `auto`: where the answer would be the same anyway (vectors, classes, temperature 0, a fixed seed)
 * - `exact`: any exact repetition
 * - `off`: never
 */
export type ReuseMode = "auto" | "exact" | "off";

const WORDS: Readonly<Record<string, ReuseMode>> = { auto: "auto", exact: "exact", always: "exact", off: "off", never: "off" };

/** The mode that a caller's word means: `auto`, `exact` or `always`, `off` or `never`; `null` for any other word. */
export const readReuseMode = (word: string): ReuseMode | null => (Object.hasOwn(WORDS, word) ? (WORDS[word] ?? null) : null);

type Members = Readonly<Record<string, unknown>>;

/** Tools the provider runs itself look at the world, which moves on. */
const looksOutside = (body: Members): boolean => {
  if (body["web_search_options"] !== undefined && body["web_search_options"] !== null) return true;
  const tools = body["tools"];
  if (!Array.isArray(tools)) return false;
  return tools.some((tool: unknown) => {
    const type = typeof tool === "object" && tool !== null ? (tool as Members)["type"] : undefined;
    return type !== undefined && type !== "function" && type !== "custom";
  });
};

/** State kept at the provider is a part of the question that the body does not show. */
const leansOnState = (body: Members): boolean =>
  ["previous_response_id", "conversation", "container"].some((key) => body[key] !== undefined && body[key] !== null);

/** Whether an earlier answer may be given to this request; `body` is its parsed top level. */
export function mayReuse(endpoint: Endpoint, body: Members, mode: ReuseMode): boolean {
  if (mode === "off") return false;
  if (mode === "exact") return true;
  if (endpoint === "/v1/embeddings" || endpoint === "/v1/classifications") return true;
  if (looksOutside(body) || leansOnState(body)) return false;
  return body["temperature"] === 0 || Number.isInteger(body["seed"]);
}

const WHOLE = new Set(["stop", "tool_calls", "function_call", "end_turn", "stop_sequence", "tool_use", "completed"]);

/**
 * Why an answer ended, in the provider's word: the first reason that is not a whole ending, else the last one seen. `null` for vectors
 * and classes, which have none, and for a body that does not say.
 */
export function finishOf(endpoint: Endpoint, parsedBody: unknown): string | null {
  if (typeof parsedBody !== "object" || parsedBody === null) return null;
  const body = parsedBody as Members;
  const word = (value: unknown): string | null => (typeof value === "string" ? value : null);
  if (endpoint === "/v1/messages") return word(body["stop_reason"]);
  if (endpoint === "/v1/responses") return word(body["status"]);
  if (endpoint !== "/v1/chat/completions" || !Array.isArray(body["choices"])) return null;
  const reasons = body["choices"].map((choice: unknown) =>
    typeof choice === "object" && choice !== null ? word((choice as Members)["finish_reason"]) : null,
  );
  return reasons.find((reason) => reason === null || !WHOLE.has(reason)) ?? reasons.at(-1) ?? null;
}

/** Whether an answer may be kept for others: a 200 that came to its natural end. Cut, filtered and refused answers are not. */
export function mayKeep(endpoint: Endpoint, statusCode: number, finish: string | null): boolean {
  if (statusCode !== 200) return false;
  if (endpoint === "/v1/embeddings" || endpoint === "/v1/classifications") return true;
  return finish !== null && WHOLE.has(finish);
}
