import fc from "fast-check";
import { expect, test } from "vitest";
import { depthOf, elementSpans, memberSpans, replaceSpans } from "./index.ts";

const SEED = 20_261_123;
const opts = { seed: SEED, numRuns: 500 };
const sliced = (text: string, span: { start: number; end: number } | undefined): string => (span ? text.slice(span.start, span.end) : "");

test(`every member and element is found, whatever lies inside (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const spans = memberSpans(text);
      const parsed = JSON.parse(text) as Record<string, unknown>;
      expect([...spans.keys()].sort()).toEqual(Object.keys(parsed).sort());
      for (const [key, span] of spans) expect(JSON.parse(sliced(text, span))).toEqual(parsed[key]);
    }),
    opts,
  );
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(elementSpans(text).map((span) => JSON.parse(sliced(text, span)))).toEqual(JSON.parse(text));
    }),
    opts,
  );
});

test("what a number, an escape or a key order was stays byte for byte", () => {
  const text = '{ "big" : 90071992547409931234 , "s":"\\u0000\\ud800\\"}{", "z":{"b":1,"a":[2 , 3]},"model":"x"}';
  const spans = memberSpans(text);
  expect(sliced(text, spans.get("big"))).toBe("90071992547409931234");
  expect(sliced(text, spans.get("s"))).toBe('"\\u0000\\ud800\\"}{"');
  expect(sliced(text, spans.get("z"))).toBe('{"b":1,"a":[2 , 3]}');
  const model = spans.get("model");
  if (!model) throw new Error("no model");
  expect(replaceSpans(text, [{ span: model, with: '"y"' }])).toBe(text.replace('"x"', '"y"'));
});

test("a key written with escapes is found by its meaning, and the last of two wins", () => {
  const text = '{"\\u006dodel":"a","model":"b"}';
  expect(sliced(text, memberSpans(text).get("model"))).toBe('"b"');
});

test("depth counts brackets outside strings only, and a scan of nonsense ends", () => {
  expect([depthOf("1"), depthOf("[]"), depthOf('{"a":[{}]}'), depthOf('["[[[["]')]).toEqual([0, 1, 3, 1]);
  expect(depthOf("[".repeat(100_000))).toBe(100_000);
  fc.assert(
    fc.property(fc.string(), (text) => {
      elementSpans(`[${text}`);
      depthOf(text);
    }),
    opts,
  );
});
