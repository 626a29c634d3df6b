import { type Asking, openAiTier } from "./asking.ts";
import { openAiRefuses } from "./errors.ts";
import { arrayOf, isObject, type Json, numberOf, objectOf, textOf } from "./json.ts";
import { say, stopsOf } from "./openai-generate.ts";
import { checkRange, instructionAndMaterial, type Prompt, promptOf, requireModel, type Turn, turnOf } from "./openai-prompt.ts";
import { sells } from "./prices.ts";
import type { Answered } from "./types.ts";

const ROLES = new Set(["system", "developer", "user", "assistant", "tool", "function"]);

/** Refuses what `POST /v1/chat/completions` refuses before any work is done; the same check finds the lines of a batch that will fail. */
export function checkChat(body: Json): void {
  const { facts } = requireModel(body, "text");
  const messages = body["messages"];
  if (messages === undefined) throw openAiRefuses("Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
  if (!Array.isArray(messages)) throw openAiRefuses("Invalid type for 'messages': expected an array of objects.", "messages", "invalid_type");
  if (messages.length === 0)
    throw openAiRefuses(
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      "messages",
      "empty_array",
    );
  messages.forEach((message, i) => {
    if (!isObject(message)) throw openAiRefuses(`Invalid type for 'messages[${i}]': expected an object.`, `messages[${i}]`, "invalid_type");
    const role = message["role"];
    if (typeof role !== "string" || !ROLES.has(role)) {
      throw openAiRefuses(
        `Invalid value: '${String(role)}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.`,
        `messages[${i}].role`,
        "invalid_value",
      );
    }
    if (message["content"] === undefined && role !== "assistant")
      throw openAiRefuses(`Missing required parameter: 'messages[${i}].content'.`, `messages[${i}].content`, "missing_required_parameter");
  });
  checkRange(body, "temperature", 0, 2);
  checkRange(body, "top_p", 0, 1);
  checkRange(body, "n", 1, 128, true);
  checkRange(body, "max_tokens", 1, facts.maxOutputTokens, true);
  checkRange(body, "max_completion_tokens", 1, facts.maxOutputTokens, true);
  checkTier(body);
}

/** Refuses tiers that do not exist or that the model is not sold at. */
export function checkTier(body: Json): void {
  const asked = body["service_tier"];
  if (asked === undefined || asked === null) return;
  if (!["auto", "default", "flex", "scale", "priority", "fast"].includes(textOf(asked)))
    throw openAiRefuses(
      `Invalid value: '${String(asked)}'. Supported values are: 'auto', 'default', 'flex', and 'priority'.`,
      "service_tier",
      "invalid_value",
    );
  const { tier } = openAiTier(asked, false);
  if (!sells(textOf(body["model"]), tier))
    throw openAiRefuses(`Invalid service_tier argument: '${String(asked)}' is not available for this model.`, "service_tier", "invalid_value");
}

function turnsOf(body: Json): Turn[] {
  return arrayOf(body["messages"]).map((raw) => {
    const message = objectOf(raw);
    const calls = message["tool_calls"];
    return turnOf(textOf(message["role"]), message["content"], calls === undefined ? "" : JSON.stringify(calls));
  });
}

/** The function that the caller insists on, if any: emulated models call a tool only when they must. */
function forcedTool(body: Json): Json | null {
  const tools = arrayOf(body["tools"])
    .filter(isObject)
    .map((tool) => objectOf(tool["function"]));
  const choice = body["tool_choice"];
  if (choice === "required") return tools[0] ?? null;
  const name = objectOf(objectOf(choice)["function"])["name"];
  return isObject(choice) ? (tools.find((tool) => tool["name"] === name) ?? null) : null;
}

function schemaOf(body: Json): Json | null {
  const format = objectOf(body["response_format"]);
  if (format["type"] === "json_object") return {};
  return format["type"] === "json_schema" ? objectOf(objectOf(format["json_schema"])["schema"]) : null;
}

/** Answers `POST /v1/chat/completions`. Throws a `Refusal`. */
export function answerChat(asking: Asking, body: Json): Answered {
  checkChat(body);
  const preamble = [body["tools"], body["response_format"]]
    .filter((part) => part !== undefined)
    .map((part) => JSON.stringify(part))
    .join("\n");
  const prompt = promptOf(asking, body, turnsOf(body), preamble);
  const tool = forcedTool(body);
  const { tier, wire } = openAiTier(body["service_tier"], asking.inBatch);
  let output = 0;
  let reasoningTokens = 0;
  const choices = Array.from({ length: numberOf(body["n"]) ?? 1 }, (_, choice) => {
    const said = say(asking, {
      model: prompt.model,
      ...instructionAndMaterial(prompt.turns),
      schema: tool === null ? schemaOf(body) : objectOf(tool["parameters"]),
      maxTokens: numberOf(body["max_completion_tokens"]) ?? numberOf(body["max_tokens"]) ?? prompt.facts.maxOutputTokens,
      stops: stopsOf(body["stop"]),
      effort: prompt.facts.reasons ? textOf(body["reasoning_effort"], "") || null : null,
      choice,
    });
    output += said.tokens;
    reasoningTokens += said.reasoningTokens;
    const calls =
      tool === null
        ? {}
        : {
            tool_calls: [
              { id: `call_${asking.serial.slice(0, 24)}`, type: "function", function: { name: textOf(tool["name"]), arguments: said.text } },
            ],
          };
    return {
      index: choice,
      message: { role: "assistant", content: tool === null ? said.text : null, refusal: null, annotations: [], ...calls },
      logprobs: null,
      finish_reason: said.cut ? "length" : tool === null ? "stop" : "tool_calls",
    };
  });
  const usage = chatUsage(prompt, output, reasoningTokens);
  const answer = {
    id: `chatcmpl-${asking.serial}`,
    object: "chat.completion",
    created: Math.floor(asking.nowMs / 1000),
    model: prompt.model,
    choices,
    usage,
    service_tier: wire,
    system_fingerprint: "fp_emulated",
  };
  return { model: prompt.model, tier, body: answer, usage, classes: classesOf(prompt, output) };
}

/** Disjoint classes from OpenAI's inclusive totals. */
export const classesOf = (prompt: Prompt, output: number): Answered["classes"] => ({
  input: prompt.tokens - prompt.cached - prompt.written,
  cached: prompt.cached,
  write: prompt.written - prompt.writtenLong,
  writeLong: prompt.writtenLong,
  output,
});

function chatUsage(prompt: Prompt, output: number, reasoningTokens: number): Json {
  const writes = prompt.facts.cache === "breakpoint" ? { cache_write_tokens: prompt.written } : {};
  return {
    prompt_tokens: prompt.tokens,
    completion_tokens: output,
    total_tokens: prompt.tokens + output,
    prompt_tokens_details: { cached_tokens: prompt.cached, audio_tokens: 0, ...writes },
    completion_tokens_details: { reasoning_tokens: reasoningTokens, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  };
}

/** The same answer as the chunks of a stream; with `include_usage` a last chunk without choices carries the usage. */
export function chatChunks(answer: Json, includeUsage: boolean): Json[] {
  const base = {
    id: answer["id"],
    object: "chat.completion.chunk",
    created: answer["created"],
    model: answer["model"],
    service_tier: answer["service_tier"],
    system_fingerprint: answer["system_fingerprint"],
  };
  const usage = includeUsage ? { usage: null } : {};
  const chunk = (index: unknown, delta: Json, finish: unknown): Json => ({
    ...base,
    choices: [{ index, delta, logprobs: null, finish_reason: finish }],
    ...usage,
  });
  const chunks: Json[] = [];
  for (const raw of arrayOf(answer["choices"])) {
    const choice = objectOf(raw);
    const message = objectOf(choice["message"]);
    chunks.push(chunk(choice["index"], { role: "assistant", content: message["content"] === null ? null : "", refusal: null }, null));
    for (const piece of words(textOf(message["content"]))) chunks.push(chunk(choice["index"], { content: piece }, null));
    arrayOf(message["tool_calls"]).forEach((call, index) => {
      const fn = objectOf(objectOf(call)["function"]);
      chunks.push(
        chunk(
          choice["index"],
          { tool_calls: [{ index, id: objectOf(call)["id"], type: "function", function: { name: fn["name"], arguments: "" } }] },
          null,
        ),
      );
      for (const piece of words(textOf(fn["arguments"])))
        chunks.push(chunk(choice["index"], { tool_calls: [{ index, function: { arguments: piece } }] }, null));
    });
    chunks.push(chunk(choice["index"], {}, choice["finish_reason"]));
  }
  if (includeUsage) chunks.push({ ...base, choices: [], usage: answer["usage"] });
  return chunks;
}

/** A text in pieces of about three words that join to exactly the text. */
export const words = (text: string): string[] => text.match(/\s*\S+(\s+\S+){0,2}|\s+$/g) ?? (text === "" ? [] : [text]);
