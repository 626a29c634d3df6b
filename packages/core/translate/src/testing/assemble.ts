import { EventReader } from "../events.ts";
import { asBag, asList, asNumber, type Bag, parseBag } from "../json.ts";

/** Puts chat chunks together the way a client does; `null` when no finish reason and `[DONE]` came. For tests. */
export function completionOfChunks(text: string): Bag | null {
  let head: Bag = {};
  let usage: unknown = null;
  let finish: unknown = null;
  let done = false;
  const message: Bag = {};
  const calls: { id: unknown; name: unknown; args: string }[] = [];
  for (const { data } of new EventReader().push(text)) {
    if (data === null) continue;
    if (data === "[DONE]") done = true;
    const chunk = parseBag(data);
    if (!chunk) continue;
    const { choices, usage: counted, ...rest } = chunk;
    head = { ...head, ...rest };
    usage = counted ?? usage;
    for (const choice of asList(choices).map((one) => asBag(one) ?? {})) {
      finish = choice["finish_reason"] ?? finish;
      for (const [key, value] of Object.entries(asBag(choice["delta"]) ?? {})) {
        if (key !== "tool_calls") message[key] = typeof message[key] === "string" && key !== "role" ? `${message[key]}${value}` : value;
        else for (const raw of asList(value)) addCall(calls, asBag(raw) ?? {});
      }
    }
  }
  if (!done || finish === null) return null;
  const made = calls.map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: args } }));
  const said = { ...message, ...(made.length === 0 ? {} : { tool_calls: made }) };
  return {
    ...head,
    object: "chat.completion",
    choices: [{ index: 0, message: said, logprobs: null, finish_reason: finish }],
    ...(usage ? { usage } : {}),
  };
}

function addCall(calls: { id: unknown; name: unknown; args: string }[], part: Bag): void {
  const fn = asBag(part["function"]) ?? {};
  const at = asNumber(part["index"]) ?? 0;
  if (at === calls.length) calls.push({ id: part["id"], name: fn["name"], args: "" });
  const call = calls[at];
  if (!call) throw new Error("a call was skipped");
  call.args += String(fn["arguments"] ?? "");
}

/** Puts messages events together the way a client does, and throws on an order that a client would not accept. For tests. */
export function messageOfEvents(text: string): Bag | null {
  let message: Bag = {};
  let begun = false;
  let stopped = false;
  let open = -1;
  const blocks: { value: Bag; json: string }[] = [];
  for (const { event, data } of new EventReader().push(text)) {
    const bag = data === null ? null : parseBag(data);
    if (!bag || event === "ping") continue;
    if (bag["type"] !== event) throw new Error("an event's name differs from its type");
    const at = asNumber(bag["index"]) ?? -1;
    if (event === "message_start") {
      message = asBag(bag["message"]) ?? {};
      begun = true;
    } else if (event === "content_block_start") {
      if (open !== -1 || at !== blocks.length) throw new Error("blocks overlap or skip");
      open = at;
      blocks.push({ value: { ...asBag(bag["content_block"]) }, json: "" });
    } else if (event === "content_block_delta") {
      const block = blocks[at];
      const delta = asBag(bag["delta"]) ?? {};
      if (!block || open !== at) throw new Error("a delta outside its block");
      if (delta["type"] === "text_delta") block.value["text"] = `${block.value["text"]}${delta["text"]}`;
      else block.json += String(delta["partial_json"]);
    } else if (event === "content_block_stop") {
      if (open !== at) throw new Error("a block ended that was not open");
      open = -1;
      const block = blocks[at];
      if (block && block.json !== "") block.value["input"] = parseBag(block.json) ?? {};
    } else if (event === "message_delta") {
      const counted = Object.fromEntries(Object.entries(asBag(bag["usage"]) ?? {}).filter(([, value]) => value !== null));
      message = { ...message, ...asBag(bag["delta"]), usage: { ...asBag(message["usage"]), ...counted } };
    } else if (event === "message_stop") stopped = true;
  }
  return stopped && begun && open === -1 ? { ...message, content: blocks.map((block) => block.value) } : null;
}
