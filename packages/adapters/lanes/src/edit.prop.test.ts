import fc from "fast-check";
import { expect, test } from "vitest";
import { outgoing } from "./edit.ts";

const SEED = 20_261_123;

test(`for any body, only the members that must be set differ (seed ${SEED})`, () => {
  const key = fc.oneof(fc.constantFrom("model", "stream", "stream_options", "service_tier", "slowboat", "slowboat_x", 'q"\\'), fc.string());
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom<unknown>(true, false, "flex", "m", { include_usage: true }));
  const space = fc.constantFrom("", " ", "\n\t ");
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name }), space, (members, pad) => {
      const body = `${pad}{${pad}${members.map(([name, v]) => `${JSON.stringify(name)}${pad}:${pad}${JSON.stringify(v)}`).join(`${pad},${pad}`)}${pad}}${pad}`;
      const sent = outgoing({ attemptId: "att_1", endpoint: "/v1/chat/completions", model: "m", body }, "call", null);
      const streams = members.some(([name, v]) => name === "stream" && v === true);
      const expected = new Map(members.filter(([name]) => !/^slowboat(?:$|[_-])/.test(name)));
      if (streams) for (const name of ["stream", "stream_options"]) expected.delete(name);
      if (["flex", "batch"].includes(String(expected.get("service_tier"))) && typeof expected.get("service_tier") === "string")
        expected.delete("service_tier");
      expected.set("model", "m");
      const parsed = new Map(Object.entries(JSON.parse(sent) as Record<string, unknown>));
      expect([...parsed.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [name, v] of expected) expect(parsed.get(name)).toEqual(JSON.parse(JSON.stringify(v)));
    }),
    { seed: SEED, numRuns: 400 },
  );
});
