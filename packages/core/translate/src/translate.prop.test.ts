import fc from "fast-check";
import { expect, test } from "vitest";
import { type AnswerContext, createStreamTranslator, type TranslatableEndpoint, translateAnswer, translateRequest } from "./index.ts";
import { asBag, asList, type Bag, parseBag } from "./json.ts";
import { completionOfChunks, messageOfEvents } from "./testing/assemble.ts";

const SEED = 20_261_123;
const opts = { seed: SEED, numRuns: 300 };
const CHAT = "/v1/chat/completions";
const MESSAGES = "/v1/messages";
const context: AnswerContext = { id: "att_1", model: "asked", nowMs: 1_764_000_000_000, includeUsage: true };

const word = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("", " ", "é€😀", "\u0000", "\ud800", "data: x\n\n", "\r\n"));
const id = fc.oneof(fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/), fc.constantFrom("call_0", "call:1", "f.g:0"));
/** A JSON object as text, with numbers that no double holds. */
const args = fc
  .dictionary(
    fc.string({ maxLength: 5 }),
    fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.bigInt({ min: 10n ** 18n, max: 10n ** 24n }).map((n) => ({ big: `#${n}#` })),
    ),
    { maxKeys: 3 },
  )
  .map((value) => JSON.stringify(value).replace(/"#(\d+)#"/g, "$1"));
const name = fc.constantFrom("look", "do_it", "f-1");
const count = fc.nat({ max: 100_000 });

const call = fc.record({ id, name, args });
const turn = fc.record({
  user: fc.array(word, { maxLength: 3 }),
  said: word,
  calls: fc.uniqueArray(call, { maxLength: 3, selector: (one) => one.id }),
  results: fc.array(word, { minLength: 3, maxLength: 3 }),
});

const conversation = fc
  .array(turn, { minLength: 1, maxLength: 4 })
  .map((turns) => [
    { role: "user", content: "first" },
    ...turns.flatMap((one) => [
      { role: "user", content: one.user.map((text) => ({ type: "text", text })) },
      { role: "assistant", content: one.said, ...(one.calls.length === 0 ? {} : { tool_calls: one.calls.map(wire) }) },
      ...one.calls.map((made, i) => ({ role: "tool", tool_call_id: made.id, content: one.results[i] ?? "" })),
    ]),
    { role: "user", content: "last" },
  ]);
const wire = (made: { id: string; name: string; args: string }): Bag => ({
  id: made.id,
  type: "function",
  function: { name: made.name, arguments: made.args },
});

const bagsOf = (value: unknown): Bag[] => asList(value).map((one) => asBag(one) ?? {});
const textsOf = (content: unknown): string[] =>
  (typeof content === "string" ? [content] : bagsOf(content).map((part) => String(part["text"]))).filter((text) => text.trim() !== "");

/** What a chat conversation says, whatever messages it is spread over; results by the place of their call. */
function saidIn(messages: readonly Bag[]): unknown {
  const calls: unknown[] = [];
  const results: unknown[] = [];
  const texts: Record<string, string[]> = { user: [], assistant: [] };
  let now = new Map<unknown, number>();
  let before = "";
  for (const message of messages) {
    const role = String(message["role"]);
    if (role !== "tool" && before === "tool") now = new Map();
    before = role;
    texts[role]?.push(...textsOf(message["content"]));
    for (const made of bagsOf(message["tool_calls"])) {
      now.set(made["id"], calls.length);
      const fn = asBag(made["function"]);
      calls.push([fn?.["name"], JSON.stringify(parseBag(String(fn?.["arguments"])))]);
    }
    if (role === "tool") results.push([now.get(message["tool_call_id"]), textsOf(message["content"])]);
  }
  return { texts, calls, results };
}

/** Anthropic's rules on the order and the content of messages. */
function holdsRules(messages: readonly Bag[]): void {
  expect(messages[0]?.["role"]).toBe("user");
  expect(messages.at(-1)?.["role"]).toBe("user");
  const used = new Set<unknown>();
  messages.forEach((message, i) => {
    expect(message["role"]).not.toBe(messages[i - 1]?.["role"]);
    const blocks = bagsOf(message["content"]);
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) {
      if (block["type"] === "text") expect(String(block["text"]).trim()).not.toBe("");
      if (block["type"] !== "tool_use") continue;
      expect(block["id"]).toMatch(/^[a-zA-Z0-9_-]+$/);
      expect(used.has(block["id"])).toBe(false);
      used.add(block["id"]);
    }
    const asked = blocks.filter((block) => block["type"] === "tool_use").map((block) => block["id"]);
    const next = bagsOf(messages[i + 1]?.["content"]).slice(0, asked.length);
    expect(next.map((block) => block["tool_use_id"]).sort()).toEqual([...asked].sort());
  });
}

test(`a chat request there and back says the same, and is a valid messages request in between (seed ${SEED})`, () => {
  fc.assert(
    fc.property(conversation, (messages) => {
      const there = translateRequest(CHAT, MESSAGES, JSON.stringify({ model: "m", max_tokens: 9, messages }), {
        model: "claude-sonnet-5",
        defaultMaxTokens: 1,
      });
      if (there.kind !== "translated") throw new Error(`${there.field}: ${there.why}`);
      const middle = parseBag(there.body) ?? {};
      holdsRules(bagsOf(middle["messages"]));
      const back = translateRequest(MESSAGES, CHAT, there.body, { model: "gpt-4.1", defaultMaxTokens: 1 });
      if (back.kind !== "translated") throw new Error(`${back.field}: ${back.why}`);
      expect(saidIn(bagsOf(parseBag(back.body)?.["messages"]))).toEqual(saidIn(bagsOf(messages)));
    }),
    opts,
  );
});

const messagesUsage = fc.record({
  input_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  output_tokens: count,
  output_tokens_details: fc.record({ thinking_tokens: count }),
  service_tier: fc.constantFrom("standard", "priority", "batch"),
});
const messagesAnswer = fc
  .record({
    texts: fc.array(word, { maxLength: 2 }),
    calls: fc.array(call, { maxLength: 3 }),
    stop: fc.constantFrom("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"),
    thinks: fc.boolean(),
    usage: messagesUsage,
  })
  .map(({ texts, calls, stop, thinks, usage }) => ({
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: [
      ...(thinks ? [{ type: "thinking", thinking: "hm", signature: "s" }] : []),
      ...texts.map((text) => ({ type: "text", text })),
      ...calls.map((made) => ({ type: "tool_use", id: made.id, name: made.name, input: parseBag(made.args) ?? {} })),
    ],
    stop_reason: stop,
    stop_sequence: null,
    usage,
  }));
const chatAnswer = fc
  .record({
    text: word,
    calls: fc.array(call, { maxLength: 3 }),
    finish: fc.constantFrom("stop", "length", "tool_calls", "content_filter"),
    refusal: fc.constantFrom(null, "No."),
    usage: fc.tuple(count, count, count, count, count),
  })
  .map(({ text, calls, finish, refusal, usage: [fresh, cached, written, output, reasoning] }) => ({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model: "gpt",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: text, refusal, ...(calls.length === 0 ? {} : { tool_calls: calls.map(wire) }) },
        finish_reason: finish,
      },
    ],
    usage: {
      prompt_tokens: fresh + cached + written,
      completion_tokens: output,
      total_tokens: fresh + cached + written + output,
      prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
      completion_tokens_details: { reasoning_tokens: reasoning },
    },
  }));

/** Cuts text at the given places (modulo its length), so that a shrunk case stays readable. */
function cutAt(text: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((place) => (text.length === 0 ? 0 : place % text.length)))].sort((a, b) => a - b);
  return [0, ...at].map((start, i) => text.slice(start, at[i] ?? text.length)).filter((piece) => piece !== "");
}
const places = fc.array(fc.nat(), { maxLength: 6 });

function eventsOf(answer: Bag, cuts: readonly number[]): string {
  const usage = asBag(answer["usage"]) ?? {};
  const events: Bag[] = [{ type: "message_start", message: { ...answer, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1 } } }];
  bagsOf(answer["content"]).forEach((block, index) => {
    const kind = block["type"] === "text" ? "text" : block["type"] === "thinking" ? "thinking" : "input";
    const text = kind === "input" ? JSON.stringify(block["input"]) : String(block[kind]);
    events.push({ type: "content_block_start", index, content_block: { ...block, [kind]: kind === "input" ? {} : "" } });
    for (const piece of cutAt(text, cuts)) {
      const delta = kind === "input" ? { type: "input_json_delta", partial_json: piece } : { type: `${kind}_delta`, [kind]: piece };
      events.push({ type: "content_block_delta", index, delta }, { type: "ping" });
    }
    events.push({ type: "content_block_stop", index });
  });
  events.push({ type: "message_delta", delta: { stop_reason: answer["stop_reason"], stop_sequence: null }, usage }, { type: "message_stop" });
  return events.map((event) => `event: ${event["type"]}\ndata: ${JSON.stringify(event)}\n\n`).join("");
}

function chunksOf(answer: Bag, cuts: readonly number[], mixed: boolean): string {
  const { choices, usage, ...head } = answer;
  const [choice] = bagsOf(choices);
  const message = asBag(choice?.["message"]) ?? {};
  const deltas: Bag[] = [{ role: "assistant", content: "" }];
  for (const key of ["content", "refusal"]) for (const piece of cutAt(String(message[key] ?? ""), cuts)) deltas.push({ [key]: piece });
  const perCall = bagsOf(message["tool_calls"]).map((made, index) => {
    const fn = asBag(made["function"]) ?? {};
    const first = { index, id: made["id"], type: "function", function: { name: fn["name"], arguments: "" } };
    return [first, ...cutAt(String(fn["arguments"]), cuts).map((piece) => ({ index, function: { arguments: piece } }))];
  });
  const longest = Math.max(0, ...perCall.map((parts) => parts.length));
  const order = mixed ? Array.from({ length: longest }, (_, i) => perCall.flatMap((parts) => parts[i] ?? [])).flat() : perCall.flat();
  deltas.push(...order.map((part) => ({ tool_calls: [part] })));
  const chunks = deltas.map((delta) => ({ ...head, choices: [{ index: 0, delta, finish_reason: null }], usage: null }));
  const last = { ...head, choices: [{ index: 0, delta: {}, finish_reason: choice?.["finish_reason"] }], usage: null };
  const all = [...chunks, last, { ...head, choices: [], usage }].map((one) => JSON.stringify(one));
  return [...all, "[DONE]"].map((one) => `data: ${one}\n\n`).join("");
}

function streamed(from: TranslatableEndpoint, to: TranslatableEndpoint, text: string, cuts: readonly number[]): string {
  const translator = createStreamTranslator(from, to, context);
  const out = [...cutAt(text, cuts).flatMap((piece) => translator.push(piece)), ...translator.end()].join("");
  expect(translator.outcome).toBe("whole");
  return out;
}
function whole(from: TranslatableEndpoint, to: TranslatableEndpoint, answer: Bag): string {
  const result = translateAnswer(from, to, JSON.stringify(answer), context);
  if (result.kind !== "translated") throw new Error(result.why);
  return result.body;
}
/** The value with its numbers as they are written, so that exact numbers compare by their digits. */
function spelled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spelled);
  const bag = asBag(value);
  if (bag) return Object.fromEntries(Object.entries(bag).map(([key, one]) => [key, spelled(one)]));
  return JSON.stringify(value);
}

test(`a messages stream, cut anywhere, translates to what the whole answer translates to (seed ${SEED})`, () => {
  fc.assert(
    fc.property(messagesAnswer, places, places, (answer, words, bytes) => {
      const out = completionOfChunks(streamed(MESSAGES, CHAT, eventsOf(answer, words), bytes));
      expect(spelled(out)).toEqual(spelled(parseBag(whole(MESSAGES, CHAT, answer))));
    }),
    opts,
  );
});

test(`a chat stream, cut anywhere and with its calls mixed, translates to what the whole answer translates to (seed ${SEED})`, () => {
  fc.assert(
    fc.property(chatAnswer, places, places, fc.boolean(), (answer, words, bytes, mixed) => {
      const out = messageOfEvents(streamed(CHAT, MESSAGES, chunksOf(answer, words, mixed), bytes));
      expect(spelled(out)).toEqual(spelled(parseBag(whole(CHAT, MESSAGES, answer))));
    }),
    opts,
  );
});

test(`a stream that is cut before its last event never looks whole (seed ${SEED})`, () => {
  fc.assert(
    fc.property(messagesAnswer, chatAnswer, places, fc.nat(), (message, completion, words, place) => {
      for (const [from, to, text] of [
        [MESSAGES, CHAT, eventsOf(message, words)],
        [CHAT, MESSAGES, chunksOf(completion, words, false).replace(/data: [^\n]*\n\ndata: \[DONE\]\n\n$/, "")],
      ] as const) {
        const translator = createStreamTranslator(from, to, context);
        const out = [...translator.push(text.slice(0, place % (text.length - 2))), ...translator.end()].join("");
        expect(translator.outcome).toBe("cut");
        expect(from === CHAT ? messageOfEvents(out) : completionOfChunks(out)).toBe(null);
        expect(out).not.toMatch(/data: \[DONE\]\n\n$|^event: message_stop/m);
      }
    }),
    opts,
  );
});

test(`usage there and back keeps every class and every total (seed ${SEED})`, () => {
  fc.assert(
    fc.property(messagesAnswer, chatAnswer, (message, completion) => {
      const back = parseBag(whole(CHAT, MESSAGES, parseBag(whole(MESSAGES, CHAT, message)) ?? {}));
      const kept = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens", "output_tokens_details"] as const;
      for (const key of kept) expect(asBag(back?.["usage"])?.[key]).toEqual(message.usage[key]);
      const again = parseBag(whole(MESSAGES, CHAT, parseBag(whole(CHAT, MESSAGES, completion)) ?? {}));
      expect(again?.["usage"]).toEqual(completion.usage);
    }),
    opts,
  );
});
