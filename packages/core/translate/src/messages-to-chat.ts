import type { Fields } from "./fields.ts";
import { asBag, asText, type Bag } from "./json.ts";
import { chatConversationOf } from "./messages-conversation.ts";
import { toolsOfMessages } from "./messages-tools.ts";
import { chatTakesSampling, type Effort, effortsOfChat, isEffort, isOSeries, maxTokensName, nearestEffort } from "./models.ts";
import { fitsStrict } from "./schema.ts";
import type { Target } from "./target.ts";

const MAX_STOPS = 4;
/** Thinking budgets, in tokens, up to which an effort stands for them. */
const LOW_BUDGET = 4_096;
const MEDIUM_BUDGET = 16_384;

const REFUSED: readonly (readonly [string, string])[] = [
  ["container", "asks for the first provider's own container"],
  ["mcp_servers", "asks for the first provider's own MCP connector"],
  ["inference_geo", "asks for a place of inference, which the other API cannot promise"],
];

/** A messages request as a chat completions request. Throws `Untranslatable`. */
export function messagesToChat(body: Fields, target: Target): Bag {
  for (const [key, why] of REFUSED) body.refuse(key, why);
  body.take("model");
  const messages = chatConversationOf(body.take("system"), body.list("messages") ?? body.fail("messages", "is missing"), body.notes);
  const tools = toolsOfMessages(body, target.model);
  const config = body.inner("output_config");
  const format = formatOf(config);
  const effort = effortOf(body, config, target.model, "tools" in tools);
  config?.end();
  const stream = body.flag("stream") === true;
  body.drop("cache_control", "dropped, prompt caching is set anew for the model that answers");
  body.drop("diagnostics", "dropped, it asks about the first provider's cache");
  body.drop("speed", "dropped, the other API does not sell it by that name");
  return {
    model: target.model,
    [maxTokensName(target.model)]: maxTokensOf(body),
    messages,
    ...tools,
    ...(format ? { response_format: format } : {}),
    ...(effort ? { reasoning_effort: effort } : {}),
    ...stopOf(body, target.model),
    ...samplingOf(body, target.model),
    ...userOf(body),
    ...tierOf(body),
    // Without its usage chunk a stream could not tell what it cost, as a messages stream does.
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
}

function maxTokensOf(body: Fields): number {
  const max = body.number("max_tokens") ?? body.fail("max_tokens", "is missing");
  if (max === 0) body.fail("max_tokens", "warms the first provider's cache, which the other API cannot");
  return Number.isInteger(max) && max > 0 ? max : body.fail("max_tokens", "is no positive whole number");
}

function formatOf(config: Fields | null): Bag | null {
  const format = config?.inner("format");
  if (!format) return null;
  if (format.text("type") !== "json_schema") return format.fail("type", "is no format that the other API has");
  const schema = format.take("schema");
  if (asBag(schema) === null) format.fail("schema", "is no schema");
  format.end();
  const strict = fitsStrict(schema);
  if (!strict) format.note("schema", "asked for and not enforced, since the other API enforces only closed schemas without optional members");
  return { type: "json_schema", json_schema: { name: "answer", schema, strict } };
}

function effortOf(body: Fields, config: Fields | null, model: string, withTools: boolean): Effort | null {
  const given = config?.take("effort");
  if (given !== undefined && !isEffort(given)) return body.fail("output_config.effort", "is no effort");
  const { wanted, from } = wantedEffort(body, given);
  if (wanted === null) return null;
  const allowed = effortsOfChat(model, withTools);
  const effort = allowed.length === 1 && wanted !== "none" ? null : nearestEffort(wanted, allowed);
  if (effort === null) {
    body.notes.add(from, wanted === "none" ? "dropped, the model does not think" : "dropped, the model has no such setting for this request");
  } else if (effort !== wanted) body.notes.add(from, `"${wanted}" became "${effort}"`);
  return effort;
}

function wantedEffort(body: Fields, given: Effort | undefined): { readonly wanted: Effort | null; readonly from: string } {
  const thinking = body.inner("thinking");
  const type = thinking?.text("type");
  const budget = thinking?.number("budget_tokens");
  thinking?.drop("display", "dropped, the other API does not show its thinking");
  thinking?.end();
  if (type === "disabled") return { wanted: "none", from: "thinking" };
  if (given !== undefined) {
    if (type === "enabled") body.note("thinking", "dropped for output_config.effort");
    return { wanted: given, from: "output_config.effort" };
  }
  if (type === "enabled" && budget !== undefined) {
    const wanted = budget <= LOW_BUDGET ? "low" : budget <= MEDIUM_BUDGET ? "medium" : "high";
    body.note("thinking.budget_tokens", `became the effort "${wanted}"`);
    return { wanted, from: "thinking" };
  }
  if (type !== undefined) body.note("thinking", "left to the model's default");
  return { wanted: null, from: "thinking" };
}

function stopOf(body: Fields, model: string): Bag {
  const stops = body.list("stop_sequences") ?? [];
  if (stops.length === 0) return {};
  if (stops.length > MAX_STOPS) body.fail("stop_sequences", `are more than ${MAX_STOPS}, the other API's most`);
  if (isOSeries(model)) body.fail("stop_sequences", "are refused by the model");
  if (stops.some((one) => typeof one !== "string")) body.fail("stop_sequences", "are not all texts");
  return { stop: stops };
}

function samplingOf(body: Fields, model: string): Bag {
  body.drop("top_k");
  if (!chatTakesSampling(model)) {
    for (const key of ["temperature", "top_p"]) body.drop(key, "dropped, the model refuses sampling parameters");
    return {};
  }
  const temperature = body.number("temperature");
  const topP = body.number("top_p");
  return { ...(temperature === undefined ? {} : { temperature }), ...(topP === undefined ? {} : { top_p: topP }) };
}

function userOf(body: Fields): Bag {
  const metadata = body.inner("metadata");
  const user = metadata?.text("user_id");
  metadata?.end();
  return user === undefined ? {} : { user };
}

function tierOf(body: Fields): Bag {
  const tier = asText(body.take("service_tier"));
  if (tier === null || tier === "auto") return {};
  if (tier === "standard_only") return { service_tier: "default" };
  body.note("service_tier", `"${tier}" dropped, the other API does not sell it by request`);
  return {};
}
