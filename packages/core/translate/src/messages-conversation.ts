import { Fields, type Notes, Untranslatable } from "./fields.ts";
import type { Bag } from "./json.ts";
import { contentOf, fieldsOfBlocks, textPart, userParts } from "./messages-parts.ts";
import { forChat, ToolIds } from "./tool-ids.ts";
import { argumentsOf } from "./tool-input.ts";

/** The messages of an Anthropic request, the system prompt first, as chat messages. Throws `Untranslatable`. */
export function chatConversationOf(system: unknown, list: readonly unknown[], notes: Notes): Bag[] {
  const ids = new ToolIds(forChat, notes);
  const instructions = fieldsOfBlocks(system, "system", notes).map(instruction);
  const out: Bag[] = instructions.length === 0 ? [] : [{ role: "system", content: contentOf(instructions) }];
  list.forEach((message, i) => {
    const fields = new Fields(message, `messages[${i}]`, notes);
    const role = fields.text("role");
    const blocks = fieldsOfBlocks(fields.take("content"), fields.at("content"), notes);
    fields.end();
    if (role === "user") out.push(...userMessages(blocks, ids));
    else if (role === "assistant") out.push(assistantMessage(blocks, ids));
    else if (role === "system") out.push({ role: "system", content: contentOf(blocks.map(instruction)) });
    else fields.fail("role", `is ${JSON.stringify(role)}, which the other API does not have`);
  });
  const last = out.at(-1);
  if (!last || list.length === 0) throw new Untranslatable("messages", "say nothing");
  if (last["role"] === "assistant") {
    throw new Untranslatable(`messages[${list.length - 1}]`, "is the beginning of the answer, which the other API would not go on with");
  }
  return out;
}

function instruction(block: Fields): Bag {
  if (block.text("type") !== "text") block.fail("type", "is not text");
  return textPart(block);
}

/** Tool results become messages of their own and stand first; images in them follow as a user's message. */
function userMessages(blocks: readonly Fields[], ids: ToolIds): Bag[] {
  const results: Bag[] = [];
  const shown: Bag[] = [];
  const parts: Bag[] = [];
  for (const block of blocks) {
    const type = block.text("type") ?? block.fail("type", "is missing");
    if (type === "tool_result") {
      if (parts.length > 0) block.note("type", "moved before what the user says, as the other API wants it");
      results.push(resultMessage(block, ids, shown));
    } else parts.push(...(userParts(block, type) ?? block.fail("type", `is "${type}", which the other API does not have`)));
  }
  const said = [...shown, ...parts];
  if (said.length === 0 && results.length > 0) return results;
  return [...results, { role: "user", content: contentOf(said) }];
}

function resultMessage(block: Fields, ids: ToolIds, shown: Bag[]): Bag {
  const asked = block.text("tool_use_id") ?? block.fail("tool_use_id", "is missing");
  const id = ids.result(asked) ?? block.fail("tool_use_id", "answers no call of the messages before");
  const texts: Bag[] = [];
  for (const inner of fieldsOfBlocks(block.take("content"), block.at("content"), block.notes)) {
    const type = inner.text("type") ?? "";
    for (const part of userParts(inner, type) ?? inner.fail("type", `is "${type}", which the other API does not have`)) {
      if (part["type"] === "text") texts.push(part);
      else {
        if (shown.length === 0) block.note("content", "images and files of tool results follow in a user's message");
        shown.push({ type: "text", text: `From the result of the tool call ${id}:` }, part);
      }
    }
  }
  const failed = block.flag("is_error") === true;
  if (failed) block.note("is_error", "dropped, a tool result of the other API has no such mark");
  block.end();
  return { role: "tool", tool_call_id: id, content: failed && texts.length === 0 ? "error" : contentOf(texts) };
}

function assistantMessage(blocks: readonly Fields[], ids: ToolIds): Bag {
  const texts: Bag[] = [];
  const calls: Bag[] = [];
  for (const block of blocks) {
    const type = block.text("type") ?? block.fail("type", "is missing");
    if (type === "text") {
      if (calls.length > 0) block.note("type", "moved before the tool calls, as the other API has it");
      texts.push(textPart(block));
    } else if (type === "tool_use") calls.push(callOf(block, ids));
    else if (type === "thinking" || type === "redacted_thinking")
      block.notes.add(block.path, "thinking dropped, only the first provider can read it");
    else block.fail("type", `is "${type}", which the other API does not have`);
  }
  const content = texts.length === 0 && calls.length > 0 ? null : contentOf(texts);
  return { role: "assistant", content, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
}

function callOf(block: Fields, ids: ToolIds): Bag {
  const id = ids.call(block.text("id") ?? block.fail("id", "is missing"), block.at("id"));
  const name = block.text("name") ?? block.fail("name", "is missing");
  const args = argumentsOf(block.take("input"));
  // That the model itself asked for it is what every chat call means.
  if (block.inner("caller")?.text("type") !== "direct") block.refuse("caller", "is a tool of the first provider");
  block.end();
  return { id, type: "function", function: { name, arguments: args } };
}
