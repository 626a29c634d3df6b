import { type AnswerContext, chatId, noteBlock, refusalOf, THINKING_DROPPED } from "./answer.ts";
import { translateStreamError } from "./error.ts";
import { chatEvent, type EventTranslator, type ServerEvent } from "./events.ts";
import type { Notes } from "./fields.ts";
import { asBag, asNumber, asText, type Bag, parseBag } from "./json.ts";
import { finishReasonOf } from "./stop-reason.ts";
import { argumentsOf } from "./tool-input.ts";
import { chatTierOf, chatUsageOf } from "./usage.ts";

/** A call whose block has begun; `whole`: its input came with the beginning, `sent`: some of it was passed on. */
interface Call {
  readonly index: number;
  readonly whole: unknown;
  sent: boolean;
}

const PING = ": ping\n\n";

/**
 * Messages events → chat chunks. Text and arguments go out as they come. The finish reason, the usage and `[DONE]` wait for
 * `message_stop`: a chat client takes a finish reason for a whole answer, and a stream that is cut before must not show one.
 */
export class ChatStream implements EventTranslator {
  readonly #context: AnswerContext;
  readonly #notes: Notes;
  readonly #calls = new Map<number, Call>();
  #message: Bag | null = null;
  #usage: Bag = {};
  #stop: Bag = {};
  #opened = false;

  constructor(context: AnswerContext, notes: Notes) {
    this.#context = context;
    this.#notes = notes;
  }

  event({ event: name, data: text }: ServerEvent): ReturnType<EventTranslator["event"]> {
    if (text === null) return { out: [PING], outcome: "open" };
    const data = parseBag(text);
    if (name === "error" || data?.["type"] === "error") {
      return { out: [chatEvent(translateStreamError("/v1/chat/completions", data ?? {}))], outcome: "failed" };
    }
    if (!data) this.#notes.add("event", "one that is no JSON dropped");
    // An end without a beginning is no answer.
    if (data?.["type"] === "message_stop" && this.#message !== null) return { out: this.#finish(), outcome: "whole" };
    return { out: data ? this.#told(data) : [], outcome: "open" };
  }

  end(): ReturnType<EventTranslator["end"]> {
    return { out: [], outcome: "cut" };
  }

  #told(data: Bag): string[] {
    const at = asNumber(data["index"]) ?? -1;
    switch (data["type"]) {
      case "message_start":
        this.#message = asBag(data["message"]) ?? {};
        this.#addUsage(this.#message["usage"]);
        return [];
      case "content_block_start":
        return this.#startBlock(at, asBag(data["content_block"]) ?? {});
      case "content_block_delta":
        return this.#addDelta(at, asBag(data["delta"]) ?? {});
      case "content_block_stop": {
        const call = this.#calls.get(at);
        return call && !call.sent ? this.#args(call, argumentsOf(call.whole)) : [];
      }
      case "message_delta":
        this.#stop = { ...this.#stop, ...asBag(data["delta"]) };
        this.#addUsage(data["usage"]);
        return [];
      case "message_stop":
        return [];
      case "ping":
        return [PING];
      default:
        this.#notes.add("event", `${JSON.stringify(data["type"])} dropped`);
        return [];
    }
  }

  #startBlock(at: number, block: Bag): string[] {
    if (block["type"] === "text") return asText(block["text"]) ? this.#say({ content: block["text"] }, "") : [];
    if (block["type"] !== "tool_use") {
      noteBlock(block["type"], this.#notes);
      return [];
    }
    const call = { index: this.#calls.size, whole: block["input"], sent: false };
    this.#calls.set(at, call);
    const id = asText(block["id"]) ?? `call_${call.index}`;
    const fn = { name: asText(block["name"]) ?? "", arguments: "" };
    return this.#say({ tool_calls: [{ index: call.index, id, type: "function", function: fn }] }, null);
  }

  #addDelta(at: number, delta: Bag): string[] {
    if (delta["type"] === "text_delta") return asText(delta["text"]) ? this.#say({ content: delta["text"] }, "") : [];
    if (delta["type"] === "input_json_delta") {
      const call = this.#calls.get(at);
      return call ? this.#args(call, asText(delta["partial_json"]) ?? "") : [];
    }
    if (delta["type"] === "thinking_delta" || delta["type"] === "signature_delta") this.#notes.add("content[]", THINKING_DROPPED);
    else if (delta["type"] === "citations_delta") this.#notes.add("content[].citations", "dropped, the caller's API does not carry them");
    else this.#notes.add("content[]", `a delta of the type ${JSON.stringify(delta["type"])} dropped`);
    return [];
  }

  #args(call: Call, text: string): string[] {
    if (text === "") return [];
    call.sent = true;
    return [this.#chunk({ tool_calls: [{ index: call.index, function: { arguments: text } }] })];
  }

  /** The counters are running totals: what is named replaces what was said before. */
  #addUsage(more: unknown): void {
    for (const [key, value] of Object.entries(asBag(more) ?? {})) if (value !== null) this.#usage = { ...this.#usage, [key]: value };
  }

  /** The first chunk says who speaks, and whether there is text at all. */
  #say(delta: Bag, content: "" | null): string[] {
    const first = this.#opened ? [] : [this.#chunk({ role: "assistant", content, refusal: null })];
    this.#opened = true;
    return [...first, this.#chunk(delta)];
  }

  #finish(): string[] {
    const refusal = refusalOf(this.#stop["stop_details"]);
    const out = refusal === null ? [] : this.#say({ refusal }, null);
    if (!this.#opened) out.push(this.#chunk({ role: "assistant", content: "", refusal: null }));
    out.push(this.#chunk({}, finishReasonOf(this.#stop["stop_reason"], this.#calls.size > 0, this.#notes)));
    if (this.#context.includeUsage) out.push(chatEvent({ ...this.#base(), choices: [], usage: chatUsageOf(this.#usage) }));
    return [...out, "data: [DONE]\n\n"];
  }

  #chunk(delta: Bag, finish: string | null = null): string {
    const usage = this.#context.includeUsage ? { usage: null } : {};
    return chatEvent({ ...this.#base(), choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], ...usage });
  }

  #base(): Bag {
    const tier = chatTierOf(this.#usage);
    return {
      id: chatId(this.#message?.["id"], this.#context),
      object: "chat.completion.chunk",
      created: Math.floor(this.#context.nowMs / 1000),
      model: asText(this.#message?.["model"]) ?? this.#context.model,
      ...(tier === null ? {} : { service_tier: tier }),
    };
  }
}
