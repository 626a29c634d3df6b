import { memberSpans, replaceSpans } from "@slowboat/kernel";
import { type Assembler, errorEvent, type StreamEnd } from "./assemble.ts";
import { asRecord, parseObject } from "./json.ts";
import type { SseEvent } from "./sse.ts";

type Bag = Record<string, unknown>;

interface Block {
  readonly value: Bag;
  /** Pieces of a tool call's input, kept as text so that its numbers keep their digits. */
  input: string;
}

/** Messages events → one message. Whole at `message_stop`. */
export function anthropicAssembler(): Assembler {
  let message: Bag | null = null;
  let stopped = false;
  let error: StreamEnd | null = null;
  const blocks = new Map<number, Block>();

  const push = (event: SseEvent): boolean => {
    const data = event.data === null ? null : parseObject(event.data);
    if (!data) return true;
    switch (data["type"]) {
      case "message_start":
        message = { ...asRecord(data["message"]) };
        break;
      case "content_block_start":
        blocks.set(Number(data["index"]), { value: { ...asRecord(data["content_block"]) }, input: "" });
        break;
      case "content_block_delta":
        addDelta(blocks.get(Number(data["index"])), asRecord(data["delta"]) ?? {});
        break;
      case "message_delta":
        if (message) addMessageDelta(message, data);
        break;
      case "message_stop":
        stopped = message !== null;
        break;
      default: {
        const said = errorEvent(event, data);
        if (said) error ??= { kind: "error", ...said, started: blocks.size > 0 };
      }
    }
    return true;
  };

  const end = (): StreamEnd => {
    if (error) return error;
    if (!stopped || !message) return { kind: "cut" };
    const content = [...blocks.entries()].sort((a, b) => a[0] - b[0]).map(([, block]) => blockText(block));
    const text = JSON.stringify({ ...message, content: [] });
    const span = memberSpans(text).get("content");
    return { kind: "whole", body: span ? replaceSpans(text, [{ span, with: `[${content.join(",")}]` }]) : text };
  };
  return { push, end };
}

function addDelta(block: Block | undefined, delta: Bag): void {
  if (!block) return;
  const { value } = block;
  const append = (key: string): void => {
    value[key] = `${typeof value[key] === "string" ? value[key] : ""}${String(delta[key] ?? "")}`;
  };
  if (delta["type"] === "text_delta") append("text");
  else if (delta["type"] === "thinking_delta") append("thinking");
  else if (delta["type"] === "signature_delta") value["signature"] = delta["signature"];
  else if (delta["type"] === "input_json_delta") block.input += String(delta["partial_json"] ?? "");
  else if (delta["type"] === "citations_delta") {
    value["citations"] = [...(Array.isArray(value["citations"]) ? value["citations"] : []), delta["citation"]];
  }
}

/** The counters of a message_delta are running totals: what they name replaces what the start said. */
function addMessageDelta(message: Bag, data: Bag): void {
  for (const [key, value] of Object.entries(asRecord(data["delta"]) ?? {})) message[key] = value;
  const usage: Bag = { ...asRecord(message["usage"]) };
  for (const [key, value] of Object.entries(asRecord(data["usage"]) ?? {})) if (value !== null) usage[key] = value;
  message["usage"] = usage;
}

/** A block's JSON. An input that was cut (by max_tokens) stays the empty object the block began with. */
function blockText(block: Block): string {
  const text = JSON.stringify(block.value);
  if (block.input.trim() === "" || !parseObject(block.input)) return text;
  const span = memberSpans(text).get("input");
  return span ? replaceSpans(text, [{ span, with: block.input }]) : text;
}
