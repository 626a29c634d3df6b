import { asBag, asCount, asText, type Bag } from "./json.ts";

/**
 * Anthropic usage as chat usage: the prompt counts everything, also what was read from and written to the cache. A token is in the same
 * class on both sides and no total changes.
 */
export function chatUsageOf(usage: Bag): Bag {
  const read = asCount(usage["cache_read_input_tokens"]);
  const written = asCount(usage["cache_creation_input_tokens"]);
  const prompt = asCount(usage["input_tokens"]) + read + written;
  const completion = asCount(usage["output_tokens"]);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: read, cache_write_tokens: written },
    completion_tokens_details: { reasoning_tokens: asCount(asBag(usage["output_tokens_details"])?.["thinking_tokens"]) },
  };
}

/** Chat usage as Anthropic usage: `input_tokens` is only what was neither read from nor written to the cache. */
export function messagesUsageOf(usage: Bag | null, serviceTier: unknown): Bag {
  const details = asBag(usage?.["prompt_tokens_details"]);
  const prompt = asCount(usage?.["prompt_tokens"]);
  // A server that counts more cached tokens than prompt tokens is wrong about the former; the total is what is billed.
  const read = Math.min(prompt, asCount(details?.["cached_tokens"]));
  const written = Math.min(prompt - read, asCount(details?.["cache_write_tokens"]));
  const thinking = asBag(usage?.["completion_tokens_details"])?.["reasoning_tokens"];
  return {
    input_tokens: prompt - read - written,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    // OpenAI's lifetimes are neither of the two that Anthropic splits by.
    cache_creation: null,
    output_tokens: asCount(usage?.["completion_tokens"]),
    output_tokens_details: typeof thinking === "number" ? { thinking_tokens: thinking } : null,
    server_tool_use: null,
    service_tier: TO_MESSAGES[asText(serviceTier) ?? ""] ?? null,
    inference_geo: null,
    speed: null,
  };
}

const TO_MESSAGES: Readonly<Record<string, string>> = { default: "standard", priority: "priority" };

/** The tier that a chat answer names for the tier Anthropic served; `null` where it has no such tier. */
export const chatTierOf = (usage: Bag): string | null =>
  usage["service_tier"] === "standard" ? "default" : usage["service_tier"] === "priority" ? "priority" : null;
