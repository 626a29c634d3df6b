import type { Endpoint } from "@slowboat/contract";
import { type Assembler, errorEvent, type StreamEnd, statusOfError } from "./assemble.ts";
import { memberText } from "./edit.ts";
import { asRecord, parseObject } from "./json.ts";
import type { SseEvent } from "./sse.ts";

type Bag = Record<string, unknown>;

/** The assembler of an OpenAI stream. `usageForCaller`: the caller asked for the chat usage chunk itself. */
export const openAiAssembler = (endpoint: Endpoint, usageForCaller: boolean): Assembler =>
  endpoint === "/v1/responses" ? responsesAssembler() : chatAssembler(usageForCaller);

/** Chat chunks → one `chat.completion`. Whole when every choice has its finish_reason and `[DONE]` or the usage came. */
function chatAssembler(usageForCaller: boolean): Assembler {
  const head: Bag = {};
  const choices = new Map<number, Bag>();
  let usage: unknown = null;
  let done = false;
  let error: StreamEnd | null = null;

  const push = (event: SseEvent): boolean => {
    if (event.data === null) return true;
    if (event.data === "[DONE]") {
      done = true;
      return true;
    }
    const chunk = parseObject(event.data);
    if (!chunk) return true;
    const said = errorEvent(event, chunk);
    if (said) {
      error ??= { kind: "error", ...said, started: choices.size > 0 };
      return true;
    }
    for (const [key, value] of Object.entries(chunk)) if (key !== "choices" && key !== "usage" && key !== "obfuscation") head[key] = value;
    const parts: unknown[] = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
    for (const part of parts) addChoice(choices, asRecord(part));
    const hasUsage = asRecord(chunk["usage"]) !== null;
    if (hasUsage) usage = chunk["usage"];
    return usageForCaller || !hasUsage || parts.length > 0;
  };

  const end = (): StreamEnd => {
    if (error) return error;
    const all = [...choices.values()].sort((a, b) => Number(a["index"]) - Number(b["index"]));
    const finished = all.length > 0 && all.every((choice) => choice["finish_reason"] !== null);
    if (!finished || !(done || usage !== null)) return { kind: "cut" };
    return { kind: "whole", body: JSON.stringify({ ...head, object: "chat.completion", choices: all, ...(usage === null ? {} : { usage }) }) };
  };
  return { push, end };
}

function addChoice(choices: Map<number, Bag>, part: Bag | null): void {
  if (!part) return;
  const index = typeof part["index"] === "number" ? part["index"] : 0;
  const choice = choices.get(index) ?? { index, message: { role: "assistant", content: null, refusal: null }, logprobs: null, finish_reason: null };
  choices.set(index, choice);
  addDelta(choice["message"] as Bag, asRecord(part["delta"]) ?? {});
  if (typeof part["finish_reason"] === "string") choice["finish_reason"] = part["finish_reason"];
  const logprobs = asRecord(part["logprobs"]);
  if (logprobs) choice["logprobs"] = mergeLists(asRecord(choice["logprobs"]) ?? {}, logprobs);
}

/** Fields whose string pieces are one text; other strings (`role`, `id`, `type`) are said whole. */
const TEXT_FIELDS = new Set(["content", "refusal", "reasoning_content", "reasoning", "arguments", "transcript", "data"]);

function addDelta(into: Bag, delta: Bag): void {
  for (const [key, value] of Object.entries(delta)) {
    if (value === null || value === undefined) continue;
    const had = into[key];
    if (key === "tool_calls" && Array.isArray(value)) into[key] = addToolCalls(Array.isArray(had) ? had : [], value);
    else if (typeof value === "string") into[key] = TEXT_FIELDS.has(key) && typeof had === "string" ? had + value : value;
    else if (Array.isArray(value)) into[key] = Array.isArray(had) ? [...had, ...value] : value;
    else if (asRecord(value)) {
      const inner = asRecord(had) ?? {};
      addDelta(inner, value as Bag);
      into[key] = inner;
    } else into[key] = value;
  }
}

/** Tool calls are told apart by `index`, which the whole message does not have. */
function addToolCalls(calls: unknown[], parts: readonly unknown[]): unknown[] {
  for (const part of parts) {
    const { index, name, ...rest } = asRecord(part) ?? {};
    const at = typeof index === "number" && index >= 0 && index <= 4096 ? index : calls.length;
    while (calls.length <= at) calls.push({});
    const call = calls[at] as Bag;
    addDelta(call, name === undefined ? rest : { name, ...rest });
    // The arguments of a call without any are the empty text, and a client parses the member without looking.
    const fn = asRecord(call["function"]);
    if (fn && fn["arguments"] === undefined) fn["arguments"] = "";
  }
  return calls;
}

function mergeLists(into: Bag, part: Bag): Bag {
  for (const [key, value] of Object.entries(part)) {
    const had = into[key];
    into[key] = Array.isArray(value) && Array.isArray(had) ? [...had, ...value] : (value ?? had ?? null);
  }
  return into;
}

/** The responses API says the whole answer itself, in its last event; it is taken over as raw text. */
function responsesAssembler(): Assembler {
  let last: StreamEnd = { kind: "cut" };
  let started = false;
  const push = (event: SseEvent): boolean => {
    const data = event.data === null ? null : parseObject(event.data);
    if (!data || event.data === null || last.kind !== "cut") return true;
    const type = data["type"];
    if (type === "response.completed" || type === "response.incomplete") {
      last = { kind: "whole", body: memberText(event.data, "response") ?? "" };
    } else if (type === "response.failed") last = failedResponse(memberText(event.data, "response") ?? "", started);
    else {
      const said = errorEvent(event, data);
      if (said) last = { kind: "error", ...said, started };
      else if (typeof type === "string" && type.startsWith("response.output")) started = true;
    }
    return true;
  };
  return { push, end: () => last };
}

/** A failed response with usage is an answer that is paid for; without, a refusal. */
function failedResponse(text: string, started: boolean): StreamEnd {
  const response = parseObject(text);
  if (asRecord(response?.["usage"])) return { kind: "whole", body: text };
  const error = asRecord(response?.["error"]) ?? {};
  return { kind: "error", text: JSON.stringify({ error }), status: statusOfError(error["code"], error["type"]), started };
}
