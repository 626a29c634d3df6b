import { Notes } from "./fields.ts";
import { asBag, asList, asText, type Bag, parseBag } from "./json.ts";
import type { TranslatableEndpoint } from "./request.ts";
import { finishReasonOf, stopOf } from "./stop-reason.ts";
import { argumentsOf, inputOf } from "./tool-input.ts";
import { chatTierOf, chatUsageOf, messagesUsageOf } from "./usage.ts";

/** What an answer in the caller's shape needs that the provider's answer may not have. */
export interface AnswerContext {
  /** Stands in for the id of an answer that has none. */
  readonly id: string;
  /** Stands in for the model's name of an answer that has none. */
  readonly model: string;
  /** When it was answered; a chat completion says so. */
  readonly nowMs: number;
  /** The caller of a chat stream asked for the usage chunk. */
  readonly includeUsage?: boolean;
}

/** An answer in the caller's shape, or why the provider's could not be read; it was paid for all the same. */
export type TranslatedAnswer =
  | { readonly kind: "translated"; readonly body: string; readonly notes: readonly string[] }
  | { readonly kind: "unreadable"; readonly why: string };

/** Ids keep the provider's own under the prefix of the caller's API, so that an answer can be traced. */
export const chatId = (id: unknown, context: AnswerContext): string => `chatcmpl-${(asText(id) ?? context.id).replace(/^msg_/, "")}`;
const messageId = (id: unknown, context: AnswerContext): string => `msg_${(asText(id) ?? context.id).replace(/^chatcmpl-/, "")}`;

/** Why thinking is left out of a translated answer. */
export const THINKING_DROPPED = "thinking dropped, the caller's API does not carry it";

/** A whole 2xx answer from the API that was asked (`from`) in the shape of the API that the caller speaks (`to`). Never throws. */
export function translateAnswer(from: TranslatableEndpoint, to: TranslatableEndpoint, body: string, context: AnswerContext): TranslatedAnswer {
  if (from === to) return { kind: "translated", body, notes: [] };
  const answer = parseBag(body);
  if (!answer) return { kind: "unreadable", why: "the answer is no JSON object, or nested too deep" };
  const notes = new Notes();
  const out = to === "/v1/messages" ? messageOf(answer, context, notes) : completionOf(answer, context, notes);
  return typeof out === "string" ? { kind: "unreadable", why: out } : { kind: "translated", body: JSON.stringify(out), notes: notes.list() };
}

function completionOf(answer: Bag, context: AnswerContext, notes: Notes): Bag | string {
  if (!Array.isArray(answer["content"])) return "the answer has no content";
  let text = "";
  const calls: Bag[] = [];
  for (const raw of answer["content"]) {
    const block = asBag(raw) ?? {};
    if (block["type"] === "text") {
      text += asText(block["text"]) ?? "";
      if (asList(block["citations"]).length > 0) notes.add("content[].citations", "dropped, the caller's API does not carry them");
    } else if (block["type"] === "tool_use") {
      const fn = { name: asText(block["name"]) ?? "", arguments: argumentsOf(block["input"]) };
      calls.push({ id: asText(block["id"]) ?? `call_${calls.length}`, type: "function", function: fn });
    } else noteBlock(block["type"], notes);
  }
  const usage = asBag(answer["usage"]) ?? {};
  const refusal = refusalOf(answer["stop_details"]);
  const tier = chatTierOf(usage);
  const content = text === "" && (calls.length > 0 || refusal !== null) ? null : text;
  const message = { role: "assistant", content, refusal, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
  return {
    id: chatId(answer["id"], context),
    object: "chat.completion",
    created: Math.floor(context.nowMs / 1000),
    model: asText(answer["model"]) ?? context.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(answer["stop_reason"], calls.length > 0, notes) }],
    usage: chatUsageOf(usage),
    ...(tier === null ? {} : { service_tier: tier }),
  };
}

/** Notes a block of an Anthropic answer that a chat message cannot have. */
export function noteBlock(type: unknown, notes: Notes): void {
  const thinking = type === "thinking" || type === "redacted_thinking";
  notes.add("content[]", thinking ? THINKING_DROPPED : `a block of the type ${JSON.stringify(type)} dropped`);
}

/** What Anthropic says about a refusal, or `null`. */
export const refusalOf = (details: unknown): string | null => asText(asBag(details)?.["explanation"]) || null;

function messageOf(answer: Bag, context: AnswerContext, notes: Notes): Bag | string {
  const choices = asList(answer["choices"]);
  const choice = asBag(choices[0]);
  const message = asBag(choice?.["message"]);
  if (!choice || !message) return "the answer has no message";
  if (choices.length > 1) notes.add("choices", "all but the first dropped");
  noteExtras(message, notes);
  const text = asText(message["content"]) ?? "";
  const refusal = asText(message["refusal"]) ?? "";
  const said = [text, refusal].filter((one) => one !== "").map((one) => ({ type: "text", text: one, citations: null }));
  const calls = asList(message["tool_calls"]).flatMap((call, i) => callBlock(asBag(call), i, notes));
  const usage = asBag(answer["usage"]);
  if (!usage) notes.add("usage", "the answer says none");
  const stop = stopOf(choice["finish_reason"], calls.length > 0, refusal, notes);
  return {
    ...messageHead(answer, context),
    content: [...said, ...calls],
    stop_reason: stop.reason,
    stop_sequence: null,
    stop_details: stop.details,
    usage: messagesUsageOf(usage, answer["service_tier"]),
  };
}

/** The members of an Anthropic message that do not depend on what is said. */
export const messageHead = (answer: Bag, context: AnswerContext): Bag => ({
  id: messageId(answer["id"], context),
  type: "message",
  role: "assistant",
  model: asText(answer["model"]) ?? context.model,
  container: null,
  diagnostics: null,
});

const EXTRAS = ["annotations", "audio", "function_call", "reasoning_content", "reasoning"];

/** Notes what a chat message or delta says that an Anthropic message cannot. */
export function noteExtras(message: Bag, notes: Notes): void {
  for (const key of EXTRAS) {
    const value = message[key];
    if (value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0)) continue;
    notes.add(`message.${key}`, key.startsWith("reasoning") ? THINKING_DROPPED : "dropped, the caller's API does not carry it");
  }
}

function callBlock(call: Bag | null, index: number, notes: Notes): Bag[] {
  const fn = asBag(call?.["function"]);
  const name = asText(fn?.["name"]);
  if (!call || !fn || name === null) {
    notes.add("message.tool_calls[]", "a call without a function's name dropped");
    return [];
  }
  const { input, valid } = inputOf(asText(fn["arguments"]) ?? "");
  if (!valid) notes.add("message.tool_calls[].function.arguments", "kept as text under INVALID_JSON, since they are no JSON object");
  return [toolUse(asText(call["id"]) || `call_${index}`, name, input)];
}

/** A `tool_use` block as the model itself asks for it. */
export const toolUse = (id: string, name: string, input: Bag): Bag => ({ type: "tool_use", id, name, input, caller: { type: "direct" } });
