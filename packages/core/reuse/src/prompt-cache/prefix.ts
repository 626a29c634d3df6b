import type { Endpoint } from "@slowboat/contract";
import { createDigest, type PrefixDigest } from "./digest.ts";

/**
 * A boundary inside a prompt, up to which other prompts may be the same: the end of the tools, of the system text, or of one content
 * block of a message. Providers cache such beginnings.
 */
export interface PrefixLevel {
  /**
   * `tools`, `system`, `head` (OpenAI's tools and instructions, where no breakpoint can stand), or a content block by message and place, both from 0:
   * `s0.1` in a system or developer message, `m0.1` in any other. */
  readonly at: string;
  /** Sixteen hex digits over tenant, endpoint and everything up to the boundary: equal only when the beginnings are. */
  readonly key: string;
  /** Estimated tokens from the start of the prompt to the boundary. */
  readonly tokens: number;
}

/** What a prefix is taken of. `value` is the parsed body: reading it costs a tenth of scanning the raw text again. */
export interface PromptQuestion {
  /** Prefixes are never shared between tenants. */
  readonly tenantId: string;
  readonly endpoint: Endpoint;
  readonly value: Readonly<Record<string, unknown>>;
}

type Members = Readonly<Record<string, unknown>>;

/** Nothing shorter is cached by any model. */
const LEAST_TOKENS = 512;
/** Prose runs at a little more than four characters a token. */
const CHARS_PER_TOKEN = 4;
const IMAGE_TOKENS = 800;
/** Boundaries kept of one prompt; also the most breakpoints that either provider takes. */
export const LEVELS_MAX = 4;

const isMembers = (value: unknown): value is Members => typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const isSet = (value: unknown): boolean => value !== undefined && value !== null;

/** A walk along one prompt: text goes in, boundaries come out. */
interface Walk {
  readonly digest: PrefixDigest;
  chars: number;
  images: number;
  readonly found: (PrefixLevel & { readonly rank: "tools" | "system" | "message" })[];
}

function feed(walk: Walk, text: string): void {
  walk.digest.add(text);
  walk.chars += text.length;
}

function boundary(walk: Walk, at: string, rank: "tools" | "system" | "message"): void {
  const tokens = Math.ceil(walk.chars / CHARS_PER_TOKEN) + walk.images * IMAGE_TOKENS;
  if (tokens >= LEAST_TOKENS) walk.found.push({ at, key: walk.digest.key(), tokens, rank });
}

/** Feeds one content block; true when a breakpoint may stand on it. */
function feedBlock(walk: Walk, block: unknown): boolean {
  if (!isMembers(block)) return false;
  const { type, text } = block;
  if (typeof text === "string" && Object.keys(block).length === 2) {
    walk.digest.add(String(type));
    feed(walk, text);
    return text !== "";
  }
  const written = JSON.stringify(block);
  if (typeof type === "string" && type.includes("image")) {
    walk.digest.add(written);
    walk.images++;
    return true;
  }
  feed(walk, written);
  return MARKABLE.has(String(type)) && text !== "";
}

const MARKABLE = new Set(["text", "document", "tool_use", "tool_result", "input_text", "input_file", "file"]);

/** The caller has set breakpoints or a policy of their own: then the request is left alone. */
function callerCaches(endpoint: Endpoint, value: Members): boolean {
  if (endpoint === "/v1/messages") {
    if (isSet(value["cache_control"])) return true;
    const marked = (block: unknown): boolean => isMembers(block) && block["cache_control"] !== undefined;
    return (
      listOf(value["tools"]).some(marked) ||
      listOf(value["system"]).some(marked) ||
      listOf(value["messages"]).some(
        (message) => isMembers(message) && listOf(message["content"]).some((block) => marked(block) || nested(block, marked)),
      )
    );
  }
  if (isSet(value["prompt_cache_options"]) || isSet(value["prompt_cache_retention"])) return true;
  const marked = (block: unknown): boolean => isMembers(block) && block["prompt_cache_breakpoint"] !== undefined;
  const items = endpoint === "/v1/responses" ? value["input"] : value["messages"];
  return listOf(items).some((item) => isMembers(item) && (marked(item) || listOf(item["content"]).some(marked)));
}

/** Tool results hold blocks of their own. */
const nested = (block: unknown, marked: (block: unknown) => boolean): boolean => isMembers(block) && listOf(block["content"]).some(marked);

/**
 * The boundaries of a prompt at which it may be like others, outermost first, at most four: tools, system, the first block after it, and
 * the last block before the one that ends the prompt. Empty when there is none that is long enough; `null` when the prompt is not ours to
 * mark: the caller steers the cache themselves, a part of it lies at the provider, or the endpoint caches nothing.
 */
export function promptPrefix(question: PromptQuestion): PrefixLevel[] | null {
  const { endpoint, value } = question;
  if (endpoint !== "/v1/messages" && endpoint !== "/v1/chat/completions" && endpoint !== "/v1/responses") return null;
  if (callerCaches(endpoint, value)) return null;
  if (endpoint === "/v1/responses" && ["previous_response_id", "conversation", "prompt"].some((key) => isSet(value[key]))) return null;
  const walk: Walk = { digest: createDigest(`${question.tenantId} ${endpoint}`), chars: 0, images: 0, found: [] };
  if (endpoint === "/v1/messages") walkMessages(walk, value);
  else if (endpoint === "/v1/chat/completions") walkChat(walk, value);
  else walkResponses(walk, value);
  return chosen(walk);
}

/** Anthropic's order: tools, system, what resets the messages' level, messages. */
function walkMessages(walk: Walk, value: Members): void {
  const tools = listOf(value["tools"]);
  if (tools.length > 0) {
    feed(walk, JSON.stringify(tools));
    boundary(walk, "tools", "tools");
  }
  walk.digest.add(JSON.stringify([value["speed"] ?? null]));
  const { system } = value;
  if (typeof system === "string" && system !== "") {
    walk.digest.add("text");
    feed(walk, system);
    boundary(walk, "system", "system");
  } else if (Array.isArray(system)) {
    let markable = false;
    for (const block of system) markable = feedBlock(walk, block);
    if (markable) boundary(walk, "system", "system");
  }
  walk.digest.add(JSON.stringify([value["tool_choice"] ?? null, value["thinking"] ?? null, value["output_config"] ?? null]));
  walkItems(walk, listOf(value["messages"]), (role) => role === "user" || role === "assistant");
}

/** OpenAI's order: tools and schema, then messages. No breakpoint can stand on the former. */
function walkChat(walk: Walk, value: Members): void {
  head(walk, value, ["tools", "functions", "response_format"]);
  walkItems(walk, listOf(value["messages"]), (role) => role === "system" || role === "developer" || role === "user");
}

function walkResponses(walk: Walk, value: Members): void {
  head(walk, value, ["tools", "text", "instructions"]);
  walkItems(walk, listOf(value["input"]), (role) => role === "system" || role === "developer" || role === "user");
}

function head(walk: Walk, value: Members, keys: readonly string[]): void {
  // A caller's own cache key is a part of the match.
  if (isSet(value["prompt_cache_key"])) walk.digest.add(JSON.stringify(value["prompt_cache_key"]));
  for (const key of keys) if (isSet(value[key])) feed(walk, typeof value[key] === "string" ? value[key] : JSON.stringify(value[key]));
  boundary(walk, "head", "tools");
}

/** Messages or input items, block by block. The block that ends the prompt is nobody else's beginning. */
function walkItems(walk: Walk, items: readonly unknown[], mayMark: (role: unknown) => boolean): void {
  for (const [i, item] of items.entries()) {
    if (!isMembers(item)) return;
    const { role, content, ...rest } = item;
    walk.digest.add(`\n${String(role)}`);
    const isLast = i === items.length - 1;
    const rank = role === "system" || role === "developer" ? "system" : "message";
    if (typeof content === "string") {
      // A text by itself and a list of one text block mean the same prompt.
      walk.digest.add(endOfText(rest));
      feed(walk, content);
      if (!isLast && content !== "" && mayMark(role)) boundary(walk, `${rank.charAt(0)}${i}.0`, rank);
    } else {
      const blocks = listOf(content);
      for (const [j, block] of blocks.entries()) {
        const markable = feedBlock(walk, block);
        if (markable && mayMark(role) && !(isLast && j === blocks.length - 1)) boundary(walk, `${rank.charAt(0)}${i}.${j}`, rank);
      }
    }
    if (Object.keys(rest).length > 0) feed(walk, JSON.stringify(rest));
  }
}

/** The block type that a plain text stands for at either provider. */
const endOfText = (rest: Members): string => (rest["type"] === "message" ? "input_text" : "text");

/** The boundaries worth keeping, by rank; levels that lie between are dropped. */
function chosen(walk: Walk): PrefixLevel[] {
  const of = (rank: "tools" | "system" | "message") => walk.found.filter((one) => one.rank === rank);
  const messages = of("message");
  const kept = new Set([of("tools").at(-1), of("system").at(-1), messages[0], messages.at(-1)]);
  return walk.found.filter((one) => kept.has(one)).map(({ at, key, tokens }) => ({ at, key, tokens }));
}

/** The levels as one line of text, as a job keeps them: `null` for hands off, empty for nothing shared. */
export const writeLevels = (levels: readonly PrefixLevel[] | null): string | null =>
  levels === null ? null : levels.map(({ at, key, tokens }) => `${at}:${key}:${tokens}`).join(" ");

/** Reads what `writeLevels` wrote; anything unreadable is left out. */
export function readLevels(text: string): PrefixLevel[] {
  return text.split(" ").flatMap((part) => {
    const [at, key, tokens] = part.split(":");
    return at && key && Number(tokens) > 0 ? [{ at, key, tokens: Number(tokens) }] : [];
  });
}
