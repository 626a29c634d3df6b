import { expect, test } from "vitest";
import { takeOwn } from "./own-members.ts";

const take = (text: string) => takeOwn(text, JSON.parse(text) as Record<string, unknown>);

test("a request that says nothing to us stays as it is, to the byte", () => {
  for (const text of [
    '{ "a":1 }',
    '{"metadata":null}',
    '{"metadata":{"a":"b"}}',
    '{"metadata":["deadline"]}',
    '{"x":{"metadata":{"deadline":"4h"},"fallbacks":["a"]}}',
    '{"fallbacks":null}',
    '{"fallbacks":"default"}',
    '{"fallbacks":[{"model":"claude-opus-5"}]}',
  ])
    expect(take(text)).toEqual({ deadline: undefined, fallbacks: null, text });
});

test("the deadline is taken out and every other member keeps its raw text", () => {
  expect(take('{"n":9007199254740993, "metadata" : {"deadline":"4h","s":"\\u0000\\ud800"}, "b":1.0}')).toEqual({
    deadline: "4h",
    fallbacks: null,
    text: '{"n":9007199254740993,"metadata":{"s":"\\u0000\\ud800"},"b":1.0}',
  });
  expect(take('{"metadata":{"deadline":null}}')).toEqual({ deadline: null, fallbacks: null, text: "{}" });
});

test("the names of fallbacks are taken out, an empty list too, and metadata stays as it was", () => {
  expect(take('{"fallbacks":["a","b"], "n":1.0,"metadata":{}}')).toEqual({
    deadline: undefined,
    fallbacks: ["a", "b"],
    text: '{"n":1.0,"metadata":{}}',
  });
  expect(take('{"fallbacks":[]}')).toEqual({ deadline: undefined, fallbacks: [], text: "{}" });
});

test("nothing of it is left where a member stands twice", () => {
  expect(take('{"metadata":{"deadline":"1h"},"a":1,"fallbacks":["x"],"metadata":{"deadline":"2h","k":"v"},"fallbacks":["y"]}')).toEqual({
    deadline: "2h",
    fallbacks: ["y"],
    text: '{"metadata":{"k":"v"},"a":1}',
  });
});
