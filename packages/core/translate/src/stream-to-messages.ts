import { type AnswerContext, messageHead, noteExtras } from "./answer.ts";
import { BlockQueue } from "./block-queue.ts";
import { translateStreamError } from "./error.ts";
import { type EventTranslator, messagesEvent, type ServerEvent } from "./events.ts";
import type { Notes } from "./fields.ts";
import { asBag, asList, asNumber, asText, type Bag, parseBag } from "./json.ts";
import { stopOf } from "./stop-reason.ts";
import { messagesUsageOf } from "./usage.ts";

/**
 * Chat chunks → messages events. The prompt's tokens are known only at the end of a chat stream, so `message_start` counts none and
 * `message_delta` says all, which is how clients read it. Whole at `[DONE]` after a finish reason, or at the end of a stream that said both
 * its finish reason and its usage.
 */
export function streamToMessages(context: AnswerContext, notes: Notes): EventTranslator {
  const queue = new BlockQueue(notes);
  let started = false;
  let finish: unknown = null;
  let usage: Bag | null = null;
  let refusal = "";

  const start = (chunk: Bag): string[] => {
    if (started) return [];
    started = true;
    const none = messagesUsageOf(null, chunk["service_tier"]);
    const message = { ...messageHead(chunk, context), content: [], stop_reason: null, stop_sequence: null, stop_details: null, usage: none };
    return [messagesEvent("message_start", { message })];
  };
  const addChoice = (choice: Bag): string[] => {
    if ((asNumber(choice["index"]) ?? 0) !== 0) {
      notes.add("choices", "all but the first dropped");
      return [];
    }
    const delta = asBag(choice["delta"]) ?? {};
    noteExtras(delta, notes);
    queue.text("text", asText(delta["content"]) ?? "");
    const refused = asText(delta["refusal"]) ?? "";
    refusal += refused;
    queue.text("refusal", refused);
    for (const raw of asList(delta["tool_calls"])) {
      const call = asBag(raw) ?? {};
      const fn = asBag(call["function"]) ?? {};
      queue.call(asNumber(call["index"]) ?? 0, { id: asText(call["id"]), name: asText(fn["name"]), args: asText(fn["arguments"]) ?? "" });
    }
    if (asText(choice["finish_reason"]) !== null) finish = choice["finish_reason"];
    return queue.flow(false);
  };
  const complete = (): string[] => {
    const blocks = queue.flow(true);
    if (!usage) notes.add("usage", "the stream says none");
    const stop = stopOf(finish, queue.calls > 0, refusal, notes);
    // Only the running totals may stand there; the rest was said at the start.
    const { service_tier: _tier, cache_creation: _split, inference_geo: _geo, speed: _speed, ...counted } = messagesUsageOf(usage, null);
    const delta = { stop_reason: stop.reason, stop_sequence: null, stop_details: stop.details, container: null };
    return [...blocks, messagesEvent("message_delta", { delta, usage: counted }), messagesEvent("message_stop")];
  };

  const event = ({ event: name, data: text }: ServerEvent): ReturnType<EventTranslator["event"]> => {
    if (text === null) return { out: [messagesEvent("ping")], outcome: "open" };
    if (text.trim() === "[DONE]") return finish === null ? { out: [], outcome: "open" } : { out: complete(), outcome: "whole" };
    const chunk = parseBag(text);
    if (name === "error" || (chunk?.["error"] ?? null) !== null || chunk?.["type"] === "error") {
      const { type: _type, ...rest } = translateStreamError("/v1/messages", chunk ?? {});
      return { out: [messagesEvent("error", rest)], outcome: "failed" };
    }
    if (!chunk) {
      notes.add("event", "one that is no JSON dropped");
      return { out: [], outcome: "open" };
    }
    usage = asBag(chunk["usage"]) ?? usage;
    const out = Array.isArray(chunk["choices"]) ? start(chunk) : [];
    for (const choice of asList(chunk["choices"])) out.push(...addChoice(asBag(choice) ?? {}));
    return { out, outcome: "open" };
  };
  const end = (): ReturnType<EventTranslator["end"]> =>
    finish !== null && usage !== null ? { out: complete(), outcome: "whole" } : { out: [], outcome: "cut" };
  return { event, end };
}
