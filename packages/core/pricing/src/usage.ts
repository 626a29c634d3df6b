import { type Endpoint, NO_USAGE, type Usage } from "@slowboat/contract";
import type { Tier } from "./book.ts";

/** What an answer says was used. With `usage: null` nothing may be priced, and `reason` says why: the answer is kept, its cost is set apart. */
export type UsageReading =
  | {
      readonly usage: Usage;
      /** The tier the provider says it served; `null` when it says none, and then the lane's own tier holds. */
      readonly tier: Tier | null;
      /** The model as the provider names it, often with a date; prices go by the id that was asked for. */
      readonly model: string | null;
    }
  | { readonly usage: null; readonly reason: string };

type Members = Readonly<Record<string, unknown>>;

/** Thrown inside this file only, to leave a reading at the first thing that does not add up. */
class Quarantine {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

const members = (value: unknown): Members => (typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {});

/** A token count; absent and `null` are 0, anything but a whole number is refused. */
function count(from: Members, key: string): number {
  const value = from[key];
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new Quarantine(`${key} is not a token count`);
  return value;
}

function required(from: Members, key: string): number {
  if (typeof from[key] !== "number") throw new Quarantine(`${key} is missing`);
  return count(from, key);
}

const hold = (condition: boolean, reason: string): void => {
  if (!condition) throw new Quarantine(reason);
};

/** A class that costs more than text and that the book has no price for. */
const refuseClass = (from: Members, key: string): void => hold(count(from, key) === 0, `${key} have no price`);

const OPENAI_TIER: Readonly<Record<string, Tier>> = {
  default: "standard",
  standard: "standard",
  flex: "flex",
  priority: "priority",
  fast: "priority",
  batch: "batch",
};
const ANTHROPIC_TIER: Readonly<Record<string, Tier>> = { standard: "standard", batch: "batch", priority: "priority" };

const tierIn = (table: Readonly<Record<string, Tier>>, word: unknown): Tier | null =>
  typeof word === "string" && Object.hasOwn(table, word) ? (table[word] ?? null) : null;

/** OpenAI's counts are inclusive: the prompt count contains what was read from and written to the cache. */
function openai(usage: Members, names: { input: string; output: string; inputDetails: string; outputDetails: string }): Usage {
  const prompt = required(usage, names.input);
  const output = count(usage, names.output);
  const inDetails = members(usage[names.inputDetails]);
  const outDetails = members(usage[names.outputDetails]);
  // DeepSeek's name for it stands beside the details.
  const cacheRead = count(inDetails, "cached_tokens") || count(usage, "prompt_cache_hit_tokens");
  const written = count(inDetails, "cache_write_tokens");
  const ttl = members(inDetails["cache_write_tokens_details"]);
  const cacheWrite12h = count(ttl, "ttl_12h_tokens");
  const reasoning = count(outDetails, "reasoning_tokens");
  refuseClass(inDetails, "audio_tokens");
  refuseClass(outDetails, "audio_tokens");
  hold(cacheRead + written <= prompt, `cached and written tokens exceed ${names.input}`);
  hold(cacheWrite12h + count(ttl, "ttl_30m_tokens") <= written, "cache_write_tokens_details exceed cache_write_tokens");
  hold(reasoning <= output, `reasoning_tokens exceed ${names.output}`);
  if (typeof usage["total_tokens"] === "number") hold(count(usage, "total_tokens") === prompt + output, "total_tokens is not the sum of its parts");
  return { ...NO_USAGE, input: prompt - cacheRead - written, cacheRead, cacheWrite30m: written - cacheWrite12h, cacheWrite12h, output, reasoning };
}

/** Anthropic's counts are exclusive: `input_tokens` is only what was neither read from nor written to the cache. */
function anthropic(usage: Members): Usage {
  const written = count(usage, "cache_creation_input_tokens");
  const split = members(usage["cache_creation"]);
  const cacheWrite1h = count(split, "ephemeral_1h_input_tokens");
  const said5m = count(split, "ephemeral_5m_input_tokens");
  const output = count(usage, "output_tokens");
  const reasoning = count(members(usage["output_tokens_details"]), "thinking_tokens");
  const tools = members(usage["server_tool_use"]);
  for (const key of Object.keys(tools)) refuseClass(tools, key);
  hold(usage["inference_geo"] !== "us", "inference_geo 'us' has a price of its own");
  hold(usage["speed"] !== "fast", "speed 'fast' has a price of its own");
  hold(cacheWrite1h + said5m === 0 || cacheWrite1h + said5m === written, "cache_creation is not the sum of its parts");
  hold(reasoning <= output, "thinking_tokens exceed output_tokens");
  return {
    ...NO_USAGE,
    input: required(usage, "input_tokens"),
    cacheRead: count(usage, "cache_read_input_tokens"),
    cacheWrite5m: written - cacheWrite1h,
    cacheWrite1h,
    output,
    reasoning,
  };
}

function read(endpoint: Endpoint, body: Members): Usage {
  const usage = members(body["usage"]);
  hold(Object.keys(usage).length > 0, "the answer has no usage");
  switch (endpoint) {
    case "/v1/chat/completions":
      return openai(usage, {
        input: "prompt_tokens",
        output: "completion_tokens",
        inputDetails: "prompt_tokens_details",
        outputDetails: "completion_tokens_details",
      });
    case "/v1/responses":
      return openai(usage, {
        input: "input_tokens",
        output: "output_tokens",
        inputDetails: "input_tokens_details",
        outputDetails: "output_tokens_details",
      });
    case "/v1/messages":
      return anthropic(usage);
    case "/v1/embeddings":
    case "/v1/classifications": {
      const input = required(usage, "prompt_tokens");
      if (typeof usage["total_tokens"] === "number") hold(count(usage, "total_tokens") === input, "total_tokens is not the prompt's");
      return { ...NO_USAGE, input };
    }
  }
}

/**
 * Reads the usage of a parsed 2xx answer into disjoint classes, whatever the provider's convention. Tolerant of absent and
 * `null` members; an answer whose classes do not add up is set apart with the reason instead of being guessed at.
 */
export function usageOf(endpoint: Endpoint, parsedBody: unknown): UsageReading {
  const body = members(parsedBody);
  try {
    const usage = read(endpoint, body);
    const tier =
      endpoint === "/v1/messages" ? tierIn(ANTHROPIC_TIER, members(body["usage"])["service_tier"]) : tierIn(OPENAI_TIER, body["service_tier"]);
    return { usage, tier, model: typeof body["model"] === "string" ? body["model"] : null };
  } catch (error) {
    if (error instanceof Quarantine) return { usage: null, reason: error.reason };
    throw error;
  }
}
