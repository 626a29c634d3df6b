import type { Endpoint } from "@slowboat/contract";
import { expect, test } from "vitest";
import { contextDigest, standaloneText, ttlOf } from "./index.ts";

const CHAT: Endpoint = "/v1/chat/completions";
const ask = (text: string, more: Record<string, unknown> = {}) => standaloneText(CHAT, { messages: [{ role: "user", content: text }], ...more });
const skip = (text: string, more: Record<string, unknown> = {}): string | null => {
  const found = ask(text, more);
  return "skip" in found ? found.skip : null;
};

test("a question that stands alone is compared by its text, in every shape of a body", () => {
  const text = "What is the boiling point of ethanol?";
  expect(ask(` ${text}\n`)).toEqual({ text });
  expect(ask("What does it cost to ship a parcel to Norway?")).toHaveProperty("text");
  expect(ask("Can you explain what a mutex is?")).toHaveProperty("text");
  expect(
    standaloneText(CHAT, {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: [{ type: "text", text }] },
      ],
    }),
  ).toEqual({ text });
  expect(standaloneText("/v1/messages", { system: [{ type: "text", text: "Be brief." }], messages: [{ role: "user", content: text }] })).toEqual({
    text,
  });
  expect(standaloneText("/v1/responses", { input: text })).toEqual({ text });
  expect(standaloneText("/v1/responses", { input: [{ role: "user", content: [{ type: "input_text", text }] }] })).toEqual({ text });
});

test.each([
  "How old is he?",
  "And in Germany?",
  "What about the second one?",
  "Why?",
  "Make it shorter.",
  "Tell me more",
  "Does it have side effects?",
  "Who translated it into English?",
  "Explain that again, please",
  "ok, continue",
  "What does it cost?",
  "Thanks! And how do I remove it?",
  "As you said above, which option is best?",
])("a question that leans on what was said before is skipped: %s", (text) => {
  expect(skip(text)).toBe("the question leans on what was said before");
});

test("in a conversation any pronoun and any shred of a sentence is enough", () => {
  const body = (text: string) => ({
    messages: [
      { role: "user", content: "Who runs the company?" },
      { role: "assistant", content: "Its founder." },
      { role: "user", content: text },
    ],
  });
  for (const text of ["When was the founder given that title?", "Founded when?", "Where do they live now, in which city?"])
    expect(standaloneText(CHAT, body(text))).toEqual({ skip: "the question leans on what was said before" });
  expect(standaloneText(CHAT, body("What is the boiling point of ethanol?"))).toHaveProperty("text");
});

test.each([
  ["What is my account balance?", "the question is about the asker"],
  ["Where is my package?", "the question is about the asker"],
  ["Did I pay the rent?", "the question is about the asker"],
  ["What is the weather in Rome?", "the answer ages within a day"],
  ["Who won the match yesterday?", "the answer ages within a day"],
  ["What time is it in Tokyo?", "the answer ages within a day"],
  ["Please cancel the order", "the request wants something done"],
  ["Can you send an email to the landlord", "the request wants something done"],
  ["Roll a die", "the request wants something done"],
])("%s is skipped: %s", (text, why) => {
  expect(skip(text)).toBe(why);
});

test("tools, pictures, several answers, kept state and what is not a user's turn are skipped", () => {
  const question = "What is the boiling point of ethanol?";
  for (const more of [{ tools: [{ type: "function" }] }, { functions: [{}] }, { web_search_options: {} }, { previous_response_id: "resp_1" }])
    expect(skip(question, more)).toBe("the request may call tools");
  expect(ask(question, { tools: [] })).toHaveProperty("text");
  expect(skip(question, { n: 2 })).toBe("more than one answer is asked for");
  expect(standaloneText(CHAT, { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] })).toEqual({
    skip: "the question is not text alone",
  });
  expect(standaloneText(CHAT, { messages: [{ role: "assistant", content: "Hello" }] })).toEqual({ skip: "the last turn is not the user's" });
  for (const body of [{}, { messages: "x" }, { messages: [null] }, { messages: [{ role: 1 }] }])
    expect(standaloneText(CHAT, body)).toHaveProperty("skip");
  expect(skip("  ")).toBe("the question is empty");
  expect(skip("a".repeat(5_000))).toContain("longer than");
  expect(standaloneText("/v1/embeddings", { input: question })).toHaveProperty("skip");
});

test("whatever was said before is part of the namespace, and nothing is when nothing was said", () => {
  const last = { role: "user", content: "How many people live in Lisbon?" };
  const after = (...before: { role: string; content: string }[]) => contextDigest(CHAT, { messages: [...before, last] });
  expect(after()).toBeNull();
  const digests = [
    after({ role: "system", content: "Be brief." }),
    after({ role: "system", content: "Be long." }),
    after({ role: "user", content: "Be brief." }, { role: "assistant", content: "Yes." }),
    after({ role: "user", content: "Be brief." }, { role: "assistant", content: "No." }),
    contextDigest("/v1/messages", { system: "Be kind.", messages: [last] }),
  ];
  expect(new Set(digests).size).toBe(digests.length);
});

test("the sooner an answer ages the shorter it is kept", () => {
  const lives = [
    "Is the service online?",
    "What is the price of copper?",
    "What is the latest version of Node?",
    "Who is the CEO of the bank?",
    "What is a mutex?",
  ].map(ttlOf);
  expect(lives).toEqual([...lives].sort((a, b) => a - b));
  expect(new Set(lives).size).toBe(5);
});
