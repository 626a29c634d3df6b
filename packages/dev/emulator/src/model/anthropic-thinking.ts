import { digest } from "./dice.ts";
import { anthropicRefuses } from "./errors.ts";
import { type Json, numberOf, objectOf } from "./json.ts";
import type { Tokenizer } from "./tokens.ts";

/** The least budget that may be given. */
const BUDGET_MIN = 1_024;

/** Refuses a budget that is too small, or that leaves nothing for the answer. */
export function checkThinking(body: Json): void {
  const thinking = objectOf(body["thinking"]);
  if (thinking["type"] !== "enabled") return;
  const budget = numberOf(thinking["budget_tokens"]);
  if (budget === null) throw anthropicRefuses("thinking.enabled.budget_tokens: Field required");
  if (budget < BUDGET_MIN) throw anthropicRefuses(`thinking.enabled.budget_tokens: Input should be greater than or equal to ${BUDGET_MIN}`);
  if (budget >= (numberOf(body["max_tokens"]) ?? 0)) throw anthropicRefuses("`max_tokens` must be greater than `thinking.budget_tokens`");
}

/** What the emulated model thinks before it answers, as a content block, where the request lets it think; thinking is billed as output. */
export function thoughtOf(body: Json, material: string, tokens: Tokenizer): { readonly block: Json; readonly tokens: number } | null {
  const { type } = objectOf(body["thinking"]);
  if (type !== "enabled" && type !== "adaptive") return null;
  const said = tokens.head(
    `The question is what follows from this: ${material.slice(0, 160).replace(/\s+/g, " ")}. The answer should keep to it.`,
    BUDGET_MIN,
  );
  const signature = Buffer.from(digest(said.text) + digest(`${said.text}+`), "hex").toString("base64");
  return { block: { type: "thinking", thinking: said.text, signature }, tokens: said.tokens };
}

/** The events of a thinking block: its text in pieces, and the signature in one. */
export function thinkingEvents(block: Json, index: number, pieces: readonly string[]): Json[] {
  const delta = (of: Json): Json => ({ type: "content_block_delta", index, delta: of });
  return [
    { type: "content_block_start", index, content_block: { ...block, thinking: "", signature: "" } },
    ...pieces.map((piece) => delta({ type: "thinking_delta", thinking: piece })),
    delta({ type: "signature_delta", signature: block["signature"] }),
    { type: "content_block_stop", index },
  ];
}
