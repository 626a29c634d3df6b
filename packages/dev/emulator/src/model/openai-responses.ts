import { type Asking, openAiTier } from "./asking.ts";
import { openAiRefuses } from "./errors.ts";
import { arrayOf, isObject, type Json, numberOf, objectOf, textOf } from "./json.ts";
import { checkTier, classesOf, words } from "./openai-chat.ts";
import { say } from "./openai-generate.ts";
import { checkRange, instructionAndMaterial, promptOf, requireModel, type Turn, turnOf } from "./openai-prompt.ts";
import type { Answered } from "./types.ts";

/** Refuses what `POST /v1/responses` refuses, and what the emulator does not have: background runs and stored conversations. */
export function checkResponses(body: Json): void {
  const { facts } = requireModel(body, "text");
  const input = body["input"];
  if (input === undefined) throw openAiRefuses("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  if (typeof input !== "string" && !Array.isArray(input))
    throw openAiRefuses("Invalid type for 'input': expected one of a string or array of items.", "input", "invalid_type");
  for (const name of ["background", "previous_response_id", "conversation"]) {
    if (body[name] !== undefined && body[name] !== null && body[name] !== false)
      throw openAiRefuses(`'${name}' is not emulated.`, name, "unsupported_parameter");
  }
  checkRange(body, "temperature", 0, 2);
  checkRange(body, "top_p", 0, 1);
  checkRange(body, "max_output_tokens", 16, facts.maxOutputTokens, true);
  checkTier(body);
}

function turnsOf(body: Json): Turn[] {
  const instructions = textOf(body["instructions"]);
  const turns = instructions === "" ? [] : [turnOf("system", instructions, "")];
  const input = body["input"];
  if (typeof input === "string") return [...turns, turnOf("user", input, "")];
  for (const raw of arrayOf(input).filter(isObject)) {
    if (raw["type"] === "function_call_output") turns.push(turnOf("tool", raw["output"], ""));
    else if (raw["type"] === "function_call") turns.push(turnOf("assistant", "", textOf(raw["arguments"])));
    else turns.push(turnOf(textOf(raw["role"], "user"), raw["content"], ""));
  }
  return turns;
}

/** Answers `POST /v1/responses`. Throws a `Refusal`. */
export function answerResponses(asking: Asking, body: Json): Answered {
  checkResponses(body);
  const format = objectOf(objectOf(body["text"])["format"]);
  const schema = format["type"] === "json_object" ? {} : format["type"] === "json_schema" ? objectOf(format["schema"]) : null;
  const preamble = [body["tools"], body["text"]]
    .filter((part) => part !== undefined)
    .map((part) => JSON.stringify(part))
    .join("\n");
  const prompt = promptOf(asking, body, turnsOf(body), preamble);
  const { tier, wire } = openAiTier(body["service_tier"], asking.inBatch);
  const said = say(asking, {
    model: prompt.model,
    ...instructionAndMaterial(prompt.turns),
    schema,
    maxTokens: numberOf(body["max_output_tokens"]) ?? prompt.facts.maxOutputTokens,
    stops: [],
    effort: prompt.facts.reasons ? textOf(objectOf(body["reasoning"])["effort"]) || null : null,
    choice: 0,
  });
  const byTtl = { ttl_30m_tokens: prompt.written - prompt.writtenLong, ttl_12h_tokens: prompt.writtenLong };
  const split = prompt.written > 0 ? { cache_write_tokens_details: byTtl } : {};
  const usage: Json = {
    input_tokens: prompt.tokens,
    input_tokens_details: { cached_tokens: prompt.cached, cache_write_tokens: prompt.written, ...split },
    output_tokens: said.tokens,
    output_tokens_details: { reasoning_tokens: said.reasoningTokens },
    total_tokens: prompt.tokens + said.tokens,
  };
  const item = {
    id: `msg_${asking.serial}`,
    type: "message",
    status: said.cut ? "incomplete" : "completed",
    role: "assistant",
    content: [{ type: "output_text", text: said.text, annotations: [], logprobs: [] }],
  };
  const answer: Json = {
    id: `resp_${asking.serial}`,
    object: "response",
    access_programs: null,
    created_at: Math.floor(asking.nowMs / 1000),
    status: said.cut ? "incomplete" : "completed",
    background: false,
    error: null,
    incomplete_details: said.cut ? { reason: "max_output_tokens" } : null,
    instructions: body["instructions"] ?? null,
    max_output_tokens: body["max_output_tokens"] ?? null,
    model: prompt.model,
    output: [item],
    parallel_tool_calls: body["parallel_tool_calls"] ?? true,
    previous_response_id: null,
    reasoning: { effort: objectOf(body["reasoning"])["effort"] ?? null, summary: null },
    service_tier: wire,
    store: body["store"] ?? true,
    temperature: body["temperature"] ?? 1,
    text: { format: Object.keys(format).length > 0 ? format : { type: "text" } },
    tool_choice: body["tool_choice"] ?? "auto",
    tools: body["tools"] ?? [],
    top_p: body["top_p"] ?? 1,
    truncation: body["truncation"] ?? "disabled",
    usage,
    metadata: body["metadata"] ?? {},
  };
  return { model: prompt.model, tier, body: answer, usage, classes: classesOf(prompt, said.tokens) };
}

/** The same answer as the events of a stream, numbered from 0. */
export function responseEvents(answer: Json): Json[] {
  const item = objectOf(arrayOf(answer["output"])[0]);
  const part = objectOf(arrayOf(item["content"])[0]);
  const text = textOf(part["text"]);
  const started = { ...answer, status: "in_progress", output: [], usage: null, incomplete_details: null };
  const place = { item_id: item["id"], output_index: 0, content_index: 0 };
  const events: Json[] = [
    { type: "response.created", response: started },
    { type: "response.in_progress", response: started },
    { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress", content: [] } },
    { type: "response.content_part.added", ...place, part: { ...part, text: "" } },
    ...words(text).map((delta) => ({ type: "response.output_text.delta", ...place, delta, logprobs: [] })),
    { type: "response.output_text.done", ...place, text, logprobs: [] },
    { type: "response.content_part.done", ...place, part },
    { type: "response.output_item.done", output_index: 0, item },
    { type: answer["status"] === "incomplete" ? "response.incomplete" : "response.completed", response: answer },
  ];
  return events.map((event, sequence_number) => ({ ...event, sequence_number }));
}
