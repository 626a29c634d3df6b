import { expect, test } from "vitest";
import { answerText, compareAnswers, sameMeaning } from "./answers.ts";

test("what is written decides where it can: alike, JSON, a few words, a number that differs; prose is left to its meaning", () => {
  expect(compareAnswers("The capital is Paris.", "the  capital is paris")).toEqual({ same: true, by: "exact" });
  expect(compareAnswers('{"a":1,"b":[2]}', '{ "b": [2], "a": 1 }')).toEqual({ same: true, by: "exact" });
  expect(compareAnswers('{"intent":"refund"}', '{"intent":"refunds"}')).toEqual({ same: false, by: "structure" });
  expect(compareAnswers("card_lost", "card_stolen")).toEqual({ same: false, by: "exact" });
  const [a, b] = ["You can return an item within 30 days of purchase.", "Items may be returned within 30 days after you bought them."];
  expect(compareAnswers(a, b.replace("30", "60"))).toEqual({ same: false, by: "meaning" });
  expect(compareAnswers(a, b)).toBeNull();
  expect([sameMeaning(0.97).same, sameMeaning(0.5).same]).toEqual([true, false]);
});

test("an answer's words are read past its reasoning, and a call of a tool has none", () => {
  const thinking = {
    content: [
      { type: "thinking", thinking: "hm" },
      { type: "text", text: "Yes." },
    ],
  };
  expect(answerText("/v1/messages", thinking)).toBe("Yes.");
  expect(answerText("/v1/messages", { content: [{ type: "tool_use" }] })).toBeNull();
  expect(answerText("/v1/chat/completions", { choices: [{ message: { content: "Yes.", tool_calls: [{ id: "1" }] } }] })).toBeNull();
});
