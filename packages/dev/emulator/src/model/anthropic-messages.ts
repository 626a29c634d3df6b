import { instanceOf } from "./answer-json.ts";
import { answerText } from "./answer-text.ts";
import { checkThinking, thinkingEvents, thoughtOf } from "./anthropic-thinking.ts";
import type { Asking } from "./asking.ts";
import { modelOf } from "./catalog.ts";
import { diceOf, digest } from "./dice.ts";
import { anthropicRefuses } from "./errors.ts";
import { arrayOf, isObject, type Json, numberOf, objectOf, textOf } from "./json.ts";
import { words } from "./openai-chat.ts";
import { stopsOf } from "./openai-generate.ts";
import { type Block, type CacheSplit, splitAtBreakpoints } from "./prompt-cache.ts";
import type { Answered } from "./types.ts";

const IMAGE_TOKENS = 1_600;
const MINUTE_MS = 60_000;
/** Tokens around a message, and the tool preamble: stand-ins, like the tokenizer itself. */
const PER_MESSAGE = 4;
const MAX_BREAKPOINTS = 4;

const RULES = { lookback: 20, longFromMs: 60 * MINUTE_MS } as const;

/** The API version from which sampling parameters are refused. */
const STRICT_VERSION = "2026-10-21";

const FIELDS = ["model", "messages"] as const;

/** Refuses what `POST /v1/messages` refuses; in a batch the same refusals become errored rows. */
function checkMessages(body: Json, version: string, inBatch: boolean, counting = false): void {
  for (const field of FIELDS) if (body[field] === undefined) throw anthropicRefuses(`${field}: Field required`);
  if (!counting && body["max_tokens"] === undefined) throw anthropicRefuses("max_tokens: Field required");
  const facts = modelOf("anthropic", body["model"]);
  if (facts === undefined) throw anthropicRefuses(`model: ${textOf(body["model"], String(body["model"]))}`, 404);
  const messages = body["messages"];
  if (!Array.isArray(messages)) throw anthropicRefuses("messages: Input should be a valid array");
  if (messages.length === 0) throw anthropicRefuses("messages: at least one message is required");
  messages.forEach((raw, i) => {
    const message = objectOf(raw);
    if (message["role"] !== "user" && message["role"] !== "assistant")
      throw anthropicRefuses(`messages.${i}.role: Input should be 'user' or 'assistant'`);
    if (message["content"] === undefined) throw anthropicRefuses(`messages.${i}.content: Field required`);
    if (typeof message["content"] !== "string" && !Array.isArray(message["content"]))
      throw anthropicRefuses(`messages.${i}.content: Input should be a valid string or array`);
    for (const part of arrayOf(message["content"]).filter(isObject)) {
      if (isObject(part["cache_control"]) && (part["type"] === "thinking" || (part["type"] === "text" && part["text"] === "")))
        throw anthropicRefuses(
          `messages.${i}.content: cache_control cannot be set for ${part["type"] === "text" ? "empty text" : "thinking"} blocks`,
        );
      if (version >= STRICT_VERSION && message["role"] === "assistant" && part["type"] === "document")
        throw anthropicRefuses(`messages.${i}.content: \`document\` blocks are not allowed in assistant messages`);
    }
  });
  if (counting) return;
  const max = numberOf(body["max_tokens"]);
  if (max === null || !Number.isInteger(max)) throw anthropicRefuses("max_tokens: Input should be a valid integer");
  if (max < (inBatch ? 1 : 0)) throw anthropicRefuses(`max_tokens: Input should be greater than or equal to ${inBatch ? 1 : 0}`);
  if (max > facts.maxOutputTokens)
    throw anthropicRefuses(
      `max_tokens: ${max} > ${facts.maxOutputTokens}, which is the maximum allowed number of output tokens for ${textOf(body["model"])}`,
    );
  if (max === 0 && body["stream"] === true) throw anthropicRefuses("max_tokens: 0 is not allowed with stream");
  if (inBatch && body["stream"] === true) throw anthropicRefuses("stream: streaming is not supported in a batch");
  if (inBatch && body["speed"] !== undefined) throw anthropicRefuses("speed: not supported in a batch");
  checkThinking(body);
  checkSampling(body, version);
}

function checkSampling(body: Json, version: string): void {
  for (const name of ["temperature", "top_p", "top_k"]) {
    if (body[name] === undefined) continue;
    if (version >= STRICT_VERSION) throw anthropicRefuses(`${name}: Extra inputs are not permitted`);
    const value = numberOf(body[name]);
    if (value === null || value < 0 || (name !== "top_k" && value > 1)) throw anthropicRefuses(`${name}: Input should be between 0 and 1`);
  }
  if (body["service_tier"] !== undefined && body["service_tier"] !== "auto" && body["service_tier"] !== "standard_only")
    throw anthropicRefuses("service_tier: Input should be 'auto' or 'standard_only'");
}

const ttlOf = (mark: unknown): number | null => (isObject(mark) ? (mark["ttl"] === "1h" ? 60 : 5) * MINUTE_MS : null);

/** The text that a content block stands for. */
function textOfBlock(block: Json): string {
  if (typeof block["text"] === "string") return block["text"];
  if (block["type"] === "tool_result")
    return typeof block["content"] === "string" ? block["content"] : arrayOf(block["content"]).filter(isObject).map(textOfBlock).join("\n");
  if (block["type"] === "tool_use") return JSON.stringify(block["input"] ?? {});
  if (block["type"] === "document") return textOf(objectOf(block["source"])["data"], JSON.stringify(block["source"] ?? {}));
  return textOf(block["thinking"]);
}

const usesCitations = (body: Json): boolean =>
  arrayOf(body["messages"]).some((message) =>
    arrayOf(objectOf(message)["content"]).some((part) => objectOf(objectOf(part)["citations"])["enabled"] === true),
  );

interface Prompt {
  readonly blocks: Block[];
  readonly tokens: number;
}

/** Blocks in the order tools, system, messages; what invalidates the message level stands at its start. */
function promptOf(asking: Asking, body: Json): Prompt {
  const blocks: Block[] = [];
  const add = (text: string, mark: unknown, extra: number, joins = false): void => {
    blocks.push({ text, tokens: asking.tokens.count(text) + extra, breakpointTtlMs: ttlOf(mark), joinsPrevious: joins });
  };
  for (const tool of arrayOf(body["tools"]).filter(isObject)) {
    const { cache_control: mark, ...rest } = tool;
    add(JSON.stringify(rest), mark, 0);
  }
  // Toggles that reset the system's level and what follows it.
  blocks.push({ text: JSON.stringify([body["speed"] ?? null, usesCitations(body)]), tokens: 0, breakpointTtlMs: null, joinsPrevious: true });
  const system = body["system"];
  if (typeof system === "string") add(system, undefined, 0);
  for (const block of arrayOf(system).filter(isObject)) add(textOfBlock(block), block["cache_control"], 0);
  blocks.push({
    text: JSON.stringify([body["tool_choice"] ?? null, body["thinking"] ?? null, objectOf(body["output_config"])["effort"] ?? null]),
    tokens: 3,
    breakpointTtlMs: null,
    joinsPrevious: true,
  });
  let previous = "";
  for (const raw of arrayOf(body["messages"])) {
    const message = objectOf(raw);
    const content =
      typeof message["content"] === "string" ? [{ type: "text", text: message["content"] }] : arrayOf(message["content"]).filter(isObject);
    content.forEach((part: Json, i) => {
      const type = textOf(part["type"]);
      const image = type === "image" ? digest(JSON.stringify(part["source"] ?? {})) : "";
      const extra = (i === 0 ? PER_MESSAGE : 0) + (type === "image" ? IMAGE_TOKENS : 0);
      const text = textOfBlock(part);
      blocks.push({
        text: `${textOf(message["role"])}|${type}|${image}|${text}`,
        tokens: asking.tokens.count(text) + extra,
        breakpointTtlMs: ttlOf(part["cache_control"]),
        joinsPrevious: type === previous && (type === "tool_use" || type === "tool_result"),
      });
      previous = type;
    });
  }
  return { blocks, tokens: blocks.reduce((sum, block) => sum + block.tokens, 0) };
}

/** Puts the automatic breakpoint on the last block and holds the rules of explicit ones. */
function withAutomatic(body: Json, blocks: Block[]): Block[] {
  const automatic = ttlOf(body["cache_control"]);
  const marked = blocks.map((block, i) =>
    automatic !== null && i === blocks.length - 1 && block.breakpointTtlMs === null ? { ...block, breakpointTtlMs: automatic } : block,
  );
  const last = blocks.at(-1)?.breakpointTtlMs ?? null;
  if (automatic !== null && last !== null && last !== automatic)
    throw anthropicRefuses("cache_control: the last block has a different ttl than the automatic breakpoint");
  const ttls = marked.map((block) => block.breakpointTtlMs).filter((ttl) => ttl !== null);
  if (ttls.length > MAX_BREAKPOINTS)
    throw anthropicRefuses(`A maximum of ${MAX_BREAKPOINTS} blocks with cache_control may be provided. Found ${ttls.length}.`);
  if (ttls.some((ttl, i) => i > 0 && ttl > (ttls[i - 1] ?? ttl)))
    throw anthropicRefuses("cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block");
  return marked;
}

/** Tokens of a request, as `POST /v1/messages/count_tokens` answers. */
export function countMessageTokens(asking: Asking, body: Json, version: string): Json {
  checkMessages(body, version, false, true);
  return { input_tokens: promptOf(asking, body).tokens };
}

function forcedTool(body: Json): Json | null {
  const tools = arrayOf(body["tools"]).filter(isObject);
  const choice = objectOf(body["tool_choice"]);
  if (choice["type"] === "any") return tools[0] ?? null;
  return choice["type"] === "tool" ? (tools.find((tool) => tool["name"] === choice["name"]) ?? null) : null;
}

interface Spoken {
  readonly content: Json[];
  readonly tokens: number;
  /** Of these, what was thought. */
  readonly thinkingTokens: number;
  readonly stopReason: string;
  readonly stopSequence: string | null;
}

/** What the emulated model says: text from the prompt, or the forced tool's input. */
function speak(asking: Asking, body: Json): Spoken {
  const max = numberOf(body["max_tokens"]) ?? 0;
  if (max === 0) return { content: [], tokens: 0, thinkingTokens: 0, stopReason: "max_tokens", stopSequence: null };
  const system = typeof body["system"] === "string" ? body["system"] : arrayOf(body["system"]).filter(isObject).map(textOfBlock).join("\n");
  const user = arrayOf(body["messages"])
    .map(objectOf)
    .findLast((message) => message["role"] === "user");
  const material =
    typeof user?.["content"] === "string" ? user["content"] : arrayOf(user?.["content"]).filter(isObject).map(textOfBlock).join("\n\n");
  let text = answerText(asking.seed, system, material, 0);
  const tool = forcedTool(body);
  const thought = tool === null ? thoughtOf(body, material, asking.tokens) : null;
  const format = objectOf(objectOf(body["output_config"])["format"]);
  const schema = tool === null ? (format["type"] === "json_schema" ? objectOf(format["schema"]) : null) : objectOf(tool["input_schema"]);
  if (schema !== null)
    text = JSON.stringify(instanceOf(schema, text, `${system}\n${material.slice(0, 24_000)}`, diceOf(asking.seed, "schema", digest(material))));
  let stopSequence: string | null = null;
  for (const stop of stopsOf(body["stop_sequences"])) {
    const at = stop === "" || tool !== null ? -1 : text.indexOf(stop);
    if (at < 0) continue;
    text = text.slice(0, at);
    stopSequence = stop;
  }
  const said = asking.tokens.head(text, max - (thought?.tokens ?? 0));
  const cut = said.text.length < text.length;
  const content: Json =
    tool === null
      ? { type: "text", text: said.text, citations: null }
      : { type: "tool_use", id: `toolu_${asking.serial}`, caller: { type: "direct" }, name: tool["name"], input: cut ? {} : JSON.parse(text) };
  const stopReason = cut ? "max_tokens" : tool !== null ? "tool_use" : stopSequence !== null ? "stop_sequence" : "end_turn";
  const thinkingTokens = thought?.tokens ?? 0;
  const blocks = thought === null ? [content] : [thought.block, content];
  return { content: blocks, tokens: said.tokens + thinkingTokens, thinkingTokens, stopReason, stopSequence: cut ? null : stopSequence };
}

/** Answers `POST /v1/messages`, or one line of a message batch. Throws a `Refusal`. */
export function answerMessages(asking: Asking, body: Json, version: string): Answered {
  checkMessages(body, version, asking.inBatch);
  const model = textOf(body["model"]);
  const facts = modelOf("anthropic", model);
  const prompt = promptOf(asking, body);
  const blocks = withAutomatic(body, prompt.blocks);
  if (facts !== undefined && prompt.tokens > facts.contextTokens)
    throw anthropicRefuses(`prompt is too long: ${prompt.tokens} tokens > ${facts.contextTokens} maximum`);
  const scope = asking.inBatch ? `batch|${model}` : model;
  const split = splitAtBreakpoints(asking.cache, scope, blocks, { ...RULES, minTokens: facts?.cacheMinTokens ?? 1_024 }, asking.time);
  const spoken = speak(asking, body);
  const rest = prompt.tokens - split.read - split.short - split.long;
  const usage = usageOf(rest, split, spoken, asking.inBatch);
  const answer: Json = {
    id: `msg_01${asking.serial.slice(0, 22)}`,
    type: "message",
    role: "assistant",
    model,
    content: spoken.content,
    stop_reason: spoken.stopReason,
    stop_sequence: spoken.stopSequence,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage,
  };
  return {
    model,
    tier: asking.inBatch ? "batch" : "standard",
    body: answer,
    usage,
    classes: { input: rest, cached: split.read, write: split.short, writeLong: split.long, output: spoken.tokens },
  };
}

const usageOf = (rest: number, split: CacheSplit, spoken: Spoken, inBatch: boolean): Json => ({
  input_tokens: rest,
  cache_creation_input_tokens: split.short + split.long,
  cache_read_input_tokens: split.read,
  cache_creation: { ephemeral_5m_input_tokens: split.short, ephemeral_1h_input_tokens: split.long },
  output_tokens: spoken.tokens,
  output_tokens_details: { thinking_tokens: spoken.thinkingTokens },
  server_tool_use: null,
  service_tier: inBatch ? "batch" : "standard",
  inference_geo: "not_available",
  speed: null,
});

/** What the last event of a stream says of the usage; the rest of it came with the first one. */
const runningTotals = (usage: Json): Json =>
  Object.fromEntries(
    ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens", "output_tokens_details", "server_tool_use"].map(
      (name) => [name, usage[name]],
    ),
  );

/** The same message as the events of a stream, a ping among them. */
export function messageEvents(answer: Json): Json[] {
  const usage = objectOf(answer["usage"]);
  const events: Json[] = [
    { type: "message_start", message: { ...answer, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } } },
    { type: "ping" },
  ];
  arrayOf(answer["content"]).forEach((raw, index) => {
    const block = objectOf(raw);
    if (block["type"] === "thinking") {
      events.push(...thinkingEvents(block, index, words(textOf(block["thinking"]))));
      return;
    }
    const tool = block["type"] === "tool_use";
    events.push({ type: "content_block_start", index, content_block: tool ? { ...block, input: {} } : { ...block, text: "" } });
    const text = tool ? JSON.stringify(block["input"]) : textOf(block["text"]);
    for (const piece of words(text))
      events.push({
        type: "content_block_delta",
        index,
        delta: tool ? { type: "input_json_delta", partial_json: piece } : { type: "text_delta", text: piece },
      });
    events.push({ type: "content_block_stop", index });
  });
  events.push(
    {
      type: "message_delta",
      delta: { stop_reason: answer["stop_reason"], stop_sequence: answer["stop_sequence"], stop_details: null, container: null },
      usage: runningTotals(usage),
    },
    { type: "message_stop" },
  );
  return events;
}
