import type { Notes } from "./fields.ts";

const TO_CHAT: Readonly<Record<string, string>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
};

/** Chat's word for why Anthropic stopped. A reason that is not known counts as the natural end, or as a tool call where there is one. */
export function finishReasonOf(reason: unknown, calls: boolean, notes: Notes): string {
  const known = typeof reason === "string" ? TO_CHAT[reason] : undefined;
  if (known !== undefined) return known;
  notes.add("stop_reason", `${JSON.stringify(reason)} has no counterpart`);
  // A paused turn is unfinished, and `stop` would say that it is not.
  if (reason === "pause_turn") return "length";
  return calls ? "tool_calls" : "stop";
}

const TO_MESSAGES: Readonly<Record<string, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  function_call: "tool_use",
  content_filter: "refusal",
};

/**
 * Anthropic's words for why a chat model stopped. A forced call ends with `stop` on chat and with `tool_use` here; a refusal in words is
 * a refusal.
 */
export function stopOf(reason: unknown, calls: boolean, refusal: string, notes: Notes): { readonly reason: string; readonly details: unknown } {
  const known = typeof reason === "string" ? TO_MESSAGES[reason] : undefined;
  if (known === undefined) notes.add("finish_reason", `${JSON.stringify(reason)} has no counterpart`);
  const natural = known === undefined || known === "end_turn";
  const said = natural && refusal !== "" ? "refusal" : natural && calls ? "tool_use" : (known ?? "end_turn");
  const details = said === "refusal" ? { type: "refusal", category: null, explanation: refusal === "" ? null : refusal } : null;
  return { reason: said, details };
}
