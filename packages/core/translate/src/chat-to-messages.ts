import { conversationOf } from "./chat-conversation.ts";
import { toolsOfChat } from "./chat-tools.ts";
import type { Fields } from "./fields.ts";
import { asBag, asText, type Bag } from "./json.ts";
import { effortsOfMessages, isEffort, nearestEffort, noThinkingOf, samplingOfMessages } from "./models.ts";
import { narrowSchema } from "./schema.ts";
import type { Target } from "./target.ts";

const JSON_ONLY = "Answer with one valid JSON object and nothing else: no explanation and no code fence.";

/** What a caller relies on and no messages request can say. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["audio", "asks for audio, which the other API does not speak"],
  ["web_search_options", "asks for the first provider's own web search"],
  ["moderation", "asks for the first provider's own moderation"],
];

/** What only the first provider has a use for, and why it may be left out. */
const DROPPED: readonly (readonly [string, string])[] = [
  ["frequency_penalty", "dropped, the other API has no penalties"],
  ["presence_penalty", "dropped, the other API has no penalties"],
  ["seed", "dropped, the other API does not repeat itself"],
  ["prediction", "dropped, it changes the speed only"],
  ["store", "dropped, the other API stores nothing to be read later"],
  ["prompt_cache_key", "dropped, prompt caching is set anew for the model that answers"],
  ["prompt_cache_options", "dropped, prompt caching is set anew for the model that answers"],
  ["prompt_cache_retention", "dropped, prompt caching is set anew for the model that answers"],
];

/** A chat completions request as a messages request. Throws `Untranslatable`. */
export function chatToMessages(body: Fields, target: Target): Bag {
  refuseForeign(body);
  body.take("model");
  const conversation = conversationOf(body.list("messages") ?? body.fail("messages", "is missing"), body.notes);
  const tools = toolsOfChat(body, conversation.called);
  const format = formatOf(body);
  const { system } = conversation;
  if (format === "json") system.push({ type: "text", text: JSON_ONLY });
  const { effort, thinking } = effortOf(body, target.model);
  const output = { ...(effort ? { effort } : {}), ...(format && format !== "json" ? { format } : {}) };
  const out: Bag = {
    model: target.model,
    max_tokens: maxTokensOf(body, target),
    ...(system.length === 0 ? {} : { system }),
    messages: conversation.messages,
    ...tools,
    ...(Object.keys(output).length === 0 ? {} : { output_config: output }),
    ...(thinking ? { thinking } : {}),
    ...stopOf(body),
    ...samplingOf(body, target),
    ...userOf(body),
    ...tierOf(body),
    ...(body.flag("stream") ? { stream: true } : {}),
  };
  const stream = body.inner("stream_options");
  // Whether the caller sees the usage is the stream translator's affair.
  stream?.take("include_usage");
  if (stream?.flag("include_obfuscation")) stream.note("include_obfuscation", "dropped, the translated stream is not padded");
  stream?.end();
  for (const [key, why] of DROPPED) body.drop(key, why);
  return out;
}

function refuseForeign(body: Fields): void {
  for (const [key, why] of REFUSED) body.refuse(key, why);
  if ((body.number("n") ?? 1) !== 1) body.fail("n", "asks for several answers, the other API gives one");
  if (body.flag("logprobs") || (body.number("top_logprobs") ?? 0) > 0)
    body.fail("logprobs", "asks for log probabilities, which the other API does not give");
  const modalities = body.list("modalities") ?? [];
  if (modalities.some((one) => one !== "text")) body.fail("modalities", "asks for more than text");
  const bias = body.take("logit_bias");
  if (bias !== undefined && Object.keys(asBag(bias) ?? { "": 0 }).length > 0) body.fail("logit_bias", "forces tokens, which the other API cannot");
}

function maxTokensOf(body: Fields, target: Target): number {
  const old = body.number("max_tokens");
  const max = body.number("max_completion_tokens") ?? old;
  if (old !== undefined && max !== old) body.note("max_tokens", "dropped for max_completion_tokens");
  if (max === undefined) {
    body.note("max_tokens", `set to ${target.defaultMaxTokens}, since the other API needs a limit`);
    return target.defaultMaxTokens;
  }
  return Number.isInteger(max) && max > 0 ? max : body.fail("max_tokens", "is no positive whole number");
}

/** `"json"` for JSON mode, which has no counterpart but an instruction; `null` for plain text. */
function formatOf(body: Fields): Bag | "json" | null {
  const format = body.inner("response_format");
  const type = format?.text("type") ?? "text";
  if (!format || type === "text") return null;
  if (type === "json_object") {
    format.note("type", "asked for in the system prompt, since the other API has no JSON mode");
    return "json";
  }
  if (type !== "json_schema") return format.fail("type", "is no format that the other API has");
  const spec = format.inner("json_schema") ?? format.fail("json_schema", "is missing");
  const schema = narrowSchema(spec.take("schema"), spec.at("schema"), body.notes);
  spec.take("name");
  // Anthropic's formats are always enforced.
  spec.take("strict");
  spec.drop("description");
  spec.end();
  format.end();
  return { type: "json_schema", schema };
}

function effortOf(body: Fields, model: string): { readonly effort?: string; readonly thinking?: Bag } {
  const wanted = body.take("reasoning_effort");
  if (wanted === undefined) return {};
  if (!isEffort(wanted)) return body.fail("reasoning_effort", "is no effort");
  if (wanted === "none") {
    const how = noThinkingOf(model);
    if (how === "default") return {};
    if (how === "parameter") return { thinking: { type: "disabled" } };
  }
  const effort = nearestEffort(wanted, effortsOfMessages(model));
  if (effort === null) {
    body.note("reasoning_effort", "dropped, the model has no such setting");
    return {};
  }
  if (effort !== wanted) body.note("reasoning_effort", `"${wanted}" became "${effort}"`);
  return { effort };
}

function stopOf(body: Fields): Bag {
  const stop = body.take("stop");
  const all = typeof stop === "string" ? [stop] : (stop ?? []);
  if (!Array.isArray(all) || all.some((one) => typeof one !== "string")) return body.fail("stop", "is neither text nor a list of texts");
  const sequences = all.filter((one) => one !== "");
  if (sequences.length < all.length) body.note("stop", "an empty stop sequence was dropped");
  if (sequences.some((one) => String(one).trim() === "")) body.fail("stop", "is white space only, which the other API refuses");
  return sequences.length === 0 ? {} : { stop_sequences: sequences };
}

function samplingOf(body: Fields, target: Target): Bag {
  const takes = samplingOfMessages(target.model, target.anthropicVersion);
  if (takes === "none") {
    for (const key of ["temperature", "top_p"]) body.drop(key, "dropped, the other API refuses sampling parameters");
    return {};
  }
  const temperature = body.number("temperature");
  const topP = body.number("top_p");
  if (temperature !== undefined && temperature > 1) body.note("temperature", "lowered to 1, the other API's highest");
  const both = temperature !== undefined && topP !== undefined;
  if (both && takes === "one") body.note("top_p", "dropped, the model takes temperature or top_p");
  return {
    ...(temperature === undefined ? {} : { temperature: Math.min(1, temperature) }),
    ...(topP === undefined || (both && takes === "one") ? {} : { top_p: topP }),
  };
}

function userOf(body: Fields): Bag {
  const safety = body.text("safety_identifier");
  const user = body.text("user");
  if (safety !== undefined && user !== undefined && safety !== user) body.note("user", "dropped for safety_identifier");
  const id = safety ?? user;
  return id === undefined ? {} : { metadata: { user_id: id } };
}

function tierOf(body: Fields): Bag {
  const tier = asText(body.take("service_tier"));
  if (tier === null || tier === "auto") return {};
  if (tier === "default") return { service_tier: "standard_only" };
  body.note("service_tier", `"${tier}" dropped, the other API does not sell it by request`);
  return {};
}
