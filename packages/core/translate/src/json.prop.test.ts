import fc from "fast-check";
import { expect, test } from "vitest";
import { asBag, asNumber, parseExact } from "./json.ts";

const SEED = 20_261_123;
const digits = fc.stringMatching(/^[0-9]{1,25}$/);
/** A JSON number as somebody may write it. */
const literal = fc
  .record({
    sign: fc.constantFrom("", "-"),
    whole: fc.oneof(fc.constant("0"), fc.stringMatching(/^[1-9][0-9]{0,24}$/)),
    part: fc.oneof(
      fc.constant(""),
      digits.map((text) => `.${text}`),
    ),
    power: fc.constantFrom("", "", "e5", "E-7", "e+400"),
  })
  .map(({ sign, whole, part, power }) => `${sign}${whole}${part}${power}`);

test(`every number is written back with the digits it came with (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(literal), literal, fc.constantFrom("", " ", "\n\t"), (list, one, space) => {
      const text = `{"a":${space}${one},"l":[${list.join(`${space},`)}]}`;
      const parsed = parseExact(text);
      expect(JSON.stringify(parsed)).toBe(`{"a":${one},"l":[${list.join(",")}]}`);
      expect(asNumber(asBag(parsed)?.["a"])).toBe(Number(one));
    }),
    { seed: SEED, numRuns: 2000 },
  );
});

test("text that is no JSON, or nested beyond the limit, is undefined", () => {
  for (const text of ["", "{", "nope", `${"[".repeat(65)}${"]".repeat(65)}`]) expect(parseExact(text)).toBe(undefined);
  expect(parseExact(`${"[".repeat(64)}${"]".repeat(64)}`)).toBeDefined();
});
