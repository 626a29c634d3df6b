import { blocksOf, textBlocks } from "./chat-parts.ts";
import { Fields, type Notes, Untranslatable } from "./fields.ts";
import { asList, type Bag } from "./json.ts";
import { forMessages, ToolIds } from "./tool-ids.ts";
import { inputOf } from "./tool-input.ts";

/** A chat conversation in Anthropic's order: system apart, user first, roles alternating, user last. */
export interface Conversation {
  readonly system: Bag[];
  readonly messages: { readonly role: "user" | "assistant"; readonly content: Bag[] }[];
  /** The functions that were called, by name. */
  readonly called: ReadonlySet<string>;
}

const OPENING = "(The conversation starts here.)";
const GO_ON = "(Please go on.)";

/** Reads the messages of a chat request. Throws `Untranslatable` where a call has no result or a result no call. */
export function conversationOf(list: readonly unknown[], notes: Notes): Conversation {
  const reader = new Reader(notes);
  list.forEach((message, i) => {
    reader.read(new Fields(message, `messages[${i}]`, notes));
  });
  return reader.finish();
}

class Reader {
  readonly #notes: Notes;
  readonly #ids: ToolIds;
  readonly #system: Bag[] = [];
  readonly #turns: { role: "user" | "assistant"; content: Bag[] }[] = [];
  readonly #called = new Set<string>();
  /** Calls of the last assistant message that wait for their result. */
  readonly #waiting = new Map<string, string>();

  constructor(notes: Notes) {
    this.#notes = notes;
    this.#ids = new ToolIds(forMessages, notes);
  }

  read(message: Fields): void {
    const role = message.text("role");
    message.drop("name", "dropped, the other API does not name the author");
    if (role === "system" || role === "developer") this.#instruct(message);
    else if (role === "tool") this.#result(message);
    else if (role === "user" || role === "assistant") {
      this.#mustHaveResults();
      this.#add(
        role,
        role === "user" ? blocksOf(message.take("content"), message.at("content"), this.#notes, "user") : this.#spoken(message),
        message.path,
      );
    } else message.fail("role", `is ${JSON.stringify(role)}, which the other API does not have`);
    message.end();
  }

  #instruct(message: Fields): void {
    const blocks = blocksOf(message.take("content"), message.at("content"), this.#notes, "text");
    if (blocks.length > 0 && this.#turns.length > 0) message.note("role", "moved to the system prompt, which stands before all messages");
    this.#system.push(...blocks);
  }

  #result(message: Fields): void {
    const id = message.text("tool_call_id") ?? message.fail("tool_call_id", "is missing");
    const target = this.#ids.result(id);
    if (target === null || !this.#waiting.delete(target)) message.fail("tool_call_id", "answers no call of the message before");
    const content = blocksOf(message.take("content"), message.at("content"), this.#notes, "text");
    const only = content.length === 1 ? content[0] : undefined;
    const said = content.length === 0 ? {} : { content: only ? only["text"] : content };
    this.#add("user", [{ type: "tool_result", tool_use_id: target, ...said }], message.path);
  }

  #spoken(message: Fields): Bag[] {
    message.refuse("audio", "refers to an audio answer that only the first provider has");
    message.refuse("function_call", "is the deprecated form of tool_calls");
    const blocks = blocksOf(message.take("content"), message.at("content"), this.#notes, "text");
    const refusal = message.text("refusal");
    if (refusal !== undefined) {
      message.note("refusal", "kept as text");
      blocks.push(...textBlocks(refusal, message.at("refusal"), this.#notes));
    }
    for (const key of ["reasoning_content", "reasoning"]) message.drop(key, "dropped, thinking without a signature is not taken back");
    message.drop("annotations");
    asList(message.list("tool_calls")).forEach((call, i) => {
      blocks.push(this.#call(new Fields(call, `${message.at("tool_calls")}[${i}]`, this.#notes)));
    });
    return blocks;
  }

  #call(call: Fields): Bag {
    if ((call.text("type") ?? "function") !== "function") call.fail("type", "is no function call");
    const id = this.#ids.call(call.text("id") ?? call.fail("id", "is missing"), call.at("id"));
    call.drop("index", "dropped");
    const fn = call.inner("function") ?? call.fail("function", "is missing");
    const name = fn.text("name") ?? fn.fail("name", "is missing");
    const { input, valid } = inputOf(fn.text("arguments") ?? "");
    if (!valid) fn.note("arguments", "kept as text under INVALID_JSON, since they are no JSON object");
    fn.end();
    call.end();
    this.#called.add(name);
    this.#waiting.set(id, call.path);
    return { type: "tool_use", id, name, input };
  }

  #mustHaveResults(): void {
    for (const path of this.#waiting.values()) throw new Untranslatable(path, "has no result in the messages after it");
  }

  #add(role: "user" | "assistant", content: Bag[], path: string): void {
    if (content.length === 0) {
      this.#notes.add(path, "dropped, it says nothing");
      return;
    }
    const last = this.#turns.at(-1);
    if (last?.role === role) last.content.push(...content);
    else this.#turns.push({ role, content });
  }

  finish(): Conversation {
    this.#mustHaveResults();
    const turns = this.#turns;
    if (turns.length === 0) {
      if (this.#system.length === 0) throw new Untranslatable("messages", "say nothing");
      this.#notes.add("messages", "the instructions go as the user's message, since the other API needs one");
      turns.push({ role: "user", content: this.#system.splice(0) });
    }
    if (turns[0]?.role === "assistant") {
      this.#notes.add("messages", `"${OPENING}" put first, since the other API begins with the user`);
      turns.unshift({ role: "user", content: [{ type: "text", text: OPENING }] });
    }
    if (turns.at(-1)?.role === "assistant") {
      this.#notes.add("messages", `"${GO_ON}" put last, since the other API would go on inside the assistant's message`);
      turns.push({ role: "user", content: [{ type: "text", text: GO_ON }] });
    }
    return { system: this.#system, messages: turns, called: this.#called };
  }
}
