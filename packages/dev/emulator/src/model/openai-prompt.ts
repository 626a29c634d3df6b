import type { Asking } from "./asking.ts";
import { type ModelFacts, modelOf } from "./catalog.ts";
import { digest } from "./dice.ts";
import { openAiRefuses } from "./errors.ts";
import { arrayOf, isObject, type Json, numberOf, objectOf, textOf } from "./json.ts";
import { batchCaches } from "./prices.ts";
import { type Block, machineOf, readPrefix, splitAtBreakpoints } from "./prompt-cache.ts";

const IMAGE_TOKENS = 765;
const MINUTE_MS = 60_000;
/** Tokens around each message, and those that open the reply, as OpenAI's cookbook counts them. */
const PER_MESSAGE = 3;
const REPLY = 3;
/** Earlier turns that are looked at for a cached prefix. */
const READ_BACK = 50;

/** One content block of a message; a breakpoint stands behind it. */
interface Part {
  readonly text: string;
  readonly images: number;
  readonly breakpointTtlMs: number | null;
}

/** One message or input item: who speaks, and what, whole and block by block. */
export interface Turn {
  readonly role: string;
  readonly text: string;
  readonly parts: readonly Part[];
}

/** A prompt reduced to what the emulator looks at. */
export interface Prompt {
  readonly model: string;
  readonly facts: ModelFacts;
  readonly turns: readonly Turn[];
  readonly tokens: number;
  readonly cached: number;
  readonly written: number;
  /** The part of `written` that is kept for twelve hours. */
  readonly writtenLong: number;
}

const ttlOf = (mark: Json): number => (mark["ttl"] === "12h" ? 720 * MINUTE_MS : 30 * MINUTE_MS);

/** Reads content that is a text or a list of parts. */
export function turnOf(role: string, content: unknown, extra: string): Turn {
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : arrayOf(content).filter(isObject);
  const parts = blocks.map((block: Json): Part => {
    const mark = block["prompt_cache_breakpoint"];
    const images = typeof block["text"] !== "string" && textOf(block["type"]).includes("image") ? 1 : 0;
    return { text: textOf(block["text"]), images, breakpointTtlMs: isObject(mark) ? ttlOf(mark) : null };
  });
  const text = parts.flatMap((part) => (part.text === "" ? [] : [part.text])).join("\n") + extra;
  return { role, text, parts: extra === "" && parts.length > 0 ? parts : [...parts, { text: extra, images: 0, breakpointTtlMs: null }] };
}

/** The model of the request; unknown is a 404, missing a 400. */
export function requireModel(body: Json, kind: ModelFacts["kind"]): { model: string; facts: ModelFacts } {
  const model = body["model"];
  if (typeof model !== "string" || model === "") throw openAiRefuses("you must provide a model parameter", "model");
  const facts = modelOf("openai", model);
  if (facts === undefined)
    throw openAiRefuses(`The model \`${model}\` does not exist or you do not have access to it.`, null, "model_not_found", 404);
  if (facts.kind !== kind) throw openAiRefuses(`This model is not supported by this endpoint: ${model}.`, "model", "unsupported_model");
  return { model, facts };
}

/** Counts the prompt and asks the cache. `preamble` stands before the turns: tools, schemas. */
export function promptOf(asking: Asking, body: Json, turns: readonly Turn[], preamble: string): Prompt {
  const { model, facts } = requireModel(body, "text");
  const extra = preamble === "" ? 0 : asking.tokens.count(preamble);
  const counts = turns.map((turn) =>
    turn.parts.map((part, i) => (i === 0 ? PER_MESSAGE + 1 : 0) + asking.tokens.count(part.text) + part.images * IMAGE_TOKENS),
  );
  const tokens = counts.flat().reduce((sum, n) => sum + n, REPLY + extra);
  if (tokens > facts.contextTokens) {
    throw openAiRefuses(
      `This model's maximum context length is ${facts.contextTokens} tokens. However, your messages resulted in ${tokens} tokens.`,
      "messages",
      "context_length_exceeded",
    );
  }
  const none = { model, facts, turns, tokens, cached: 0, written: 0, writtenLong: 0 };
  if (tokens < facts.cacheMinTokens || facts.cache === "none" || (asking.inBatch && !batchCaches(model))) return none;
  if (facts.cache === "prefix") {
    const ids = [...asking.tokens.ids(preamble), ...turns.flatMap((turn) => [roleId(turn.role), ...asking.tokens.ids(turn.text)])];
    const ttlMs = (body["prompt_cache_retention"] === "24h" ? 1_440 : 10) * MINUTE_MS;
    return {
      ...none,
      cached: Math.min(
        tokens,
        readPrefix(asking.cache, scopeOf(asking, model, "", preamble, turns, body), ids, ttlMs, facts.cacheMinTokens, asking.time),
      ),
    };
  }
  const scope = scopeOf(asking, model, textOf(body["prompt_cache_key"]), preamble, turns, body);
  const split = splitAtBreakpoints(asking.cache, scope, blocksOf(body, turns, counts, preamble, extra), RULES, asking.time);
  return { ...none, cached: split.read, written: split.short + split.long, writtenLong: split.long };
}

const RULES = { minTokens: 1_024, lookback: 1, longFromMs: 720 * MINUTE_MS } as const;
/** A request is routed by its cache key and about its first 256 tokens. */
const ROUTED_CHARS = 1_024;

/** Whose entries a request can find: its model's, in its pool (batches have one of their own), under its key where that is matched, on its machine. */
function scopeOf(asking: Asking, model: string, key: string, preamble: string, turns: readonly Turn[], body: Json): string {
  if (asking.inBatch) return `batch|${model}|${key}`;
  const beginning = digest(`${preamble}\n${turns.map((turn) => turn.text).join("\n")}`.slice(0, ROUTED_CHARS));
  const machine = machineOf(asking.cache, `${model}|${textOf(body["prompt_cache_key"])}|${beginning}`, asking.time.nowMs);
  return `${model}|${key}|${machine}`;
}

const roleId = (role: string): number => 200_000 + role.length * 31 + (role.charCodeAt(0) || 0);

/** From GPT-5.6 on: the latest user or tool message is an implicit breakpoint, unless only explicit ones are asked for; at most four writes. */
function blocksOf(body: Json, turns: readonly Turn[], counts: readonly (readonly number[])[], preamble: string, extra: number): Block[] {
  const options = objectOf(body["prompt_cache_options"]);
  const speaks = (turn: Turn | undefined): boolean => turn?.role === "user" || turn?.role === "tool";
  const parts = turns.flatMap((turn, i) => turn.parts.map((part, j) => ({ part, turn, i, j, ends: j === turn.parts.length - 1 })));
  const implicit = options["mode"] === "explicit" ? -1 : parts.findLastIndex(({ turn, ends }) => ends && speaks(turn));
  const explicit = parts.flatMap(({ part }, at) => (part.breakpointTtlMs === null || at === implicit ? [] : [at]));
  const written = new Set(explicit.slice(implicit >= 0 ? -3 : -4));
  const blocks: Block[] = [{ text: preamble, tokens: extra, breakpointTtlMs: null }];
  for (const [at, { part, turn, i, j, ends }] of parts.entries()) {
    const ttlMs = at === implicit ? (part.breakpointTtlMs ?? ttlOf(options)) : written.has(at) ? part.breakpointTtlMs : null;
    const readable = ((ends && speaks(turn)) || part.breakpointTtlMs !== null) && i > turns.length - 2 * READ_BACK;
    blocks.push({ text: `${j === 0 ? turn.role : ""}\n${part.images}\n${part.text}`, tokens: counts[i]?.[j] ?? 0, breakpointTtlMs: ttlMs, readable });
  }
  return blocks;
}

/** The instruction (system and developer text) and the material (the latest user text) of a prompt. */
export function instructionAndMaterial(turns: readonly Turn[]): { instruction: string; material: string } {
  const instruction = turns
    .filter((t) => t.role === "system" || t.role === "developer")
    .map((t) => t.text)
    .join("\n");
  return { instruction, material: turns.findLast((t) => t.role === "user")?.text ?? turns.at(-1)?.text ?? "" };
}

/** Refuses numbers outside their range with the provider's words. */
export function checkRange(body: Json, name: string, least: number, most: number, whole = false): void {
  const value = body[name];
  if (value === undefined || value === null) return;
  const n = numberOf(value);
  if (n === null || (whole && !Number.isInteger(n)))
    throw openAiRefuses(`Invalid type for '${name}': expected ${whole ? "an integer" : "a number"}.`, name, "invalid_type");
  if (n < least)
    throw openAiRefuses(
      `Invalid '${name}': ${whole ? "integer" : "decimal"} below minimum value. Expected a value >= ${least}, but got ${n} instead.`,
      name,
      whole ? "integer_below_min_value" : "decimal_below_min_value",
    );
  if (n > most)
    throw openAiRefuses(
      `Invalid '${name}': ${whole ? "integer" : "decimal"} above maximum value. Expected a value <= ${most}, but got ${n} instead.`,
      name,
      whole ? "integer_above_max_value" : "decimal_above_max_value",
    );
}
