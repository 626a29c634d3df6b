import { expect, test } from "vitest";
import { takeDeadline } from "./metadata-deadline.ts";

const take = (text: string) => takeDeadline(text, JSON.parse(text) as Record<string, unknown>);

test("a request without a deadline of its own stays as it is, to the byte", () => {
  for (const text of [
    '{ "a":1 }',
    '{"metadata":null}',
    '{"metadata":{"a":"b"}}',
    '{"metadata":["deadline"]}',
    '{"x":{"metadata":{"deadline":"4h"}}}',
  ])
    expect(take(text)).toEqual({ deadline: undefined, text });
});

test("the deadline is taken out and every other member keeps its raw text", () => {
  expect(take('{"n":9007199254740993, "metadata" : {"deadline":"4h","s":"\\u0000\\ud800"}, "b":1.0}')).toEqual({
    deadline: "4h",
    text: '{"n":9007199254740993,"metadata":{"s":"\\u0000\\ud800"},"b":1.0}',
  });
  expect(take('{"metadata":{"deadline":null}}')).toEqual({ deadline: null, text: "{}" });
});

test("nothing of it is left where metadata stands twice", () => {
  expect(take('{"metadata":{"deadline":"1h"},"a":1,"metadata":{"deadline":"2h","k":"v"}}')).toEqual({
    deadline: "2h",
    text: '{"metadata":{"k":"v"},"a":1}',
  });
});
