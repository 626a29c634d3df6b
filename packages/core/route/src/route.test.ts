import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { compute, equationsOf, holds } from "./arithmetic.ts";
import { guard } from "./guard.ts";
import { accepts, answerFeatures, askOf, choose, figuresOf, lossUnder, priceOfQuality, route, seenOf, trainPolicy } from "./index.ts";
import { gramsOf, guardTrial, HARD, makeLabels } from "./testing/labels.ts";
import { faultOf } from "./validate.ts";

const SEED = 20_261_128;
const WHAT = { models: ["dear", "cheap"], costs: [1, 0.1], alpha: 0.05 };

test("arithmetic is parsed, not evaluated: precedence, brackets, percents, and nothing else", () => {
  expect(compute("2 + 3 * 4")).toBe(14);
  expect(compute("$1,200 / (2 + 1)")).toBe(400);
  expect(compute("20% * 50")).toBe(10);
  for (const text of ["process.exit()", "2 ** 3", "7", "(((((((((((((((((((((((1+1)))))))))))))))))))))))", "1 / 0", "2x + 1"])
    expect(compute(text)).toBeNull();
});

test("equations are found in prose, units are passed over, unknowns are left alone", () => {
  const found = equationsOf("She buys 3 boxes * 12 eggs = 36 eggs. Then 36 - 6 = 31. With 2x + 3 = 9 we get x.\n<<4*5=20>>20");
  expect(found.map((one) => [one.computed, one.stated, holds(one)])).toEqual([
    [36, 36, true],
    [30, 31, false],
    [20, 20, true],
  ]);
});

test("an answer that is empty, cut off, refused, hedged, or not the JSON asked for does not stand", () => {
  const plain = { finish: "stop", wantsJson: false, schema: null };
  expect(faultOf({ ...plain, text: "The total is 12." })).toBeNull();
  expect(faultOf({ ...plain, text: " " })).toContain("empty");
  expect(faultOf({ ...plain, finish: "length", text: "The total" })).toContain("cut off");
  expect(faultOf({ ...plain, text: "I'm sorry, but I can't help with that." })).toContain("refusal");
  expect(faultOf({ ...plain, text: "I am not sure which of them is meant." })).toContain("hedges");
  expect(faultOf({ ...plain, text: "2 + 2 = 5 and 3 * 3 = 10" })).toContain("arithmetic");
  const schema = {
    type: "object",
    required: ["age"],
    properties: { age: { type: "integer" }, tags: { type: "array", items: { enum: ["a"] } } },
    additionalProperties: false,
  };
  const json = { finish: "stop", wantsJson: true, schema };
  expect(faultOf({ ...json, text: '{"age": 3, "tags": ["a"]}' })).toBeNull();
  expect(faultOf({ ...json, text: "age: 3" })).toContain("JSON");
  expect(faultOf({ ...json, text: '{"age": "3"}' })).toContain("$.age");
  expect(faultOf({ ...json, text: '{"age": 3, "tags": ["b"]}' })).toContain("$.tags[0]");
  expect(faultOf({ ...json, text: '{"age": 3, "name": "x"}' })).toContain("$.name");
});

test("the ask is the last thing a person said, without the harness around it", () => {
  const user = (content: unknown) => ({ role: "user", content });
  const seen = seenOf({
    messages: [
      user("First question?"),
      { role: "assistant", content: "Yes." },
      user("<system-reminder>Be brief. 12345</system-reminder>\nHow many ships?"),
      user([{ type: "tool_result", content: "ls" }]),
    ],
  });
  expect(seen?.ask).toBe("How many ships?");
  expect(seenOf({ messages: [user([{ type: "image_url", image_url: {} }])] })).toBeNull();
});

test("requests of one template have one job key, another system prompt, schema or tool makes another", () => {
  const of = (question: string, more: object = {}) =>
    seenOf({
      messages: [
        { role: "system", content: "You grade ships." },
        { role: "user", content: `Ship: ${question}\nGrade:` },
      ],
      ...more,
    })?.job;
  expect(of("Titanic, 1912")).toBe(of("Vasa, 1628"));
  expect(of("Vasa", { system: "Other" })).not.toBe(of("Vasa"));
  expect(of("Vasa", { tools: [{ type: "function", function: { name: "look" } }] })).not.toBe(of("Vasa"));
  expect(of("Vasa", { response_format: { type: "json_schema", json_schema: { schema: { type: "object" } } } })).not.toBe(of("Vasa"));
});

test("with too few labels the baseline answers, whatever they say", () => {
  const policy = trainPolicy(makeLabels(60, seededRng(SEED), { cheapRight: 1 }), WHAT, seededRng(1));
  expect(route(policy, askOf("What is the anchor?", "job"), [0, 1], true)).toMatchObject({ model: 0, mode: "baseline" });
});

test(`what the cheap model gets right goes to it, what it does not goes to the baseline (seed ${SEED})`, () => {
  const policy = trainPolicy(makeLabels(300, seededRng(SEED), {}), WHAT, seededRng(1));
  expect(policy.guard.lambda).not.toBeNull();
  const easy = route(policy, askOf("name the colour of the harbour tonight please", "easy"), [0, 1], false);
  const hard = route(policy, askOf(`${HARD} of the harbour tonight please`, "hard"), [0, 1], false);
  expect(easy).toMatchObject({ model: 1, mode: "before" });
  expect(hard).toMatchObject({ model: 0 });
  expect(easy.reasons.some((reason) => reason.startsWith("job: "))).toBe(true);
  expect(route(policy, askOf("name the colour of the harbour", "easy"), [0], false).model).toBe(0);
}, 60_000);

test(`the cascade keeps good answers and sends bad ones on, within the allowed loss (seed ${SEED})`, () => {
  const policy = trainPolicy(makeLabels(400, seededRng(SEED), { answers: true }), WHAT, seededRng(1));
  expect(Number.isFinite(policy.accept.threshold)).toBe(true);
  let lost = 0;
  let kept = 0;
  const fresh = makeLabels(300, seededRng(SEED + 1), { answers: true });
  for (const label of fresh) {
    const routed = route(policy, label, [0, 1], true);
    if (routed.mode !== "cascade") continue;
    const { stands } = accepts(policy, { ...label.answers.get(1)!, expectedLoss: routed.expectedLoss });
    if (!stands) continue;
    kept++;
    lost += Math.max(0, label.scores[0]! - label.scores[1]!);
  }
  expect(kept).toBeGreaterThan(80);
  expect(lost / fresh.length).toBeLessThan(0.08);
}, 60_000);

test(`labels that somebody chose teach, but no bound rests on them (seed ${SEED})`, () => {
  const drawn = makeLabels(80, seededRng(SEED), { cheapRight: 1 });
  const chosen = makeLabels(300, seededRng(SEED + 1), { cheapRight: 1 }).map((label) => ({ ...label, chosen: true }));
  const closed = trainPolicy([...drawn, ...chosen], WHAT, seededRng(1));
  expect([closed.guard.lambda, closed.labels]).toEqual([null, 380]);
  // Enough of each: what the chosen ones tell of losses is not counted.
  const open = trainPolicy(
    [...makeLabels(150, seededRng(SEED), { cheapRight: 1 }), ...chosen.map((label) => ({ ...label, scores: Float64Array.of(1, 0) }))],
    WHAT,
    seededRng(1),
  );
  expect(open.guard.effective).toBe(150);
}, 60_000);

test(`a policy loses what its chosen model lost, and nothing where checks or the acceptor send the answer on (seed ${SEED})`, () => {
  const policy = trainPolicy(makeLabels(400, seededRng(SEED), { answers: true }), WHAT, seededRng(1));
  const none = new Set<number>();
  const fresh = makeLabels(200, seededRng(SEED + 1), { answers: true });
  for (const label of fresh) {
    const routed = route(policy, label, [0, 1], false);
    const lost = Math.max(0, label.scores[0]! - label.scores[routed.model]!);
    expect(lossUnder(policy, label, { mayJudge: false, faulty: none })).toBe(lost);
  }
  const worst = fresh.map((label) => ({ ...label, scores: Float64Array.of(1, 0) }));
  const cascade = worst.map((label) => lossUnder(policy, label, { mayJudge: true, faulty: none }));
  const stood = worst.filter((label) => {
    const { mode, expectedLoss } = route(policy, label, [0, 1], true);
    return mode === "cascade" && accepts(policy, { ...label.answers.get(1)!, expectedLoss }).stands;
  }).length;
  expect(stood).toBeGreaterThan(20);
  expect(cascade.filter((lost) => lost === 1)).toHaveLength(stood);
  expect(worst.some((label) => lossUnder(policy, label, { mayJudge: true, faulty: new Set([1]) }) > 0)).toBe(false);
}, 60_000);

test("the bound only tightens: a worse record never allows a larger lambda", () => {
  const of = (wrong: number) =>
    guard(
      Array.from({ length: 200 }, (_, i) => guardTrial(i / 200, i < wrong ? 0 : 1)),
      [1, 0.1],
      0.05,
    ).lambda ?? -1;
  expect(of(0)).toBeGreaterThan(of(60));
  expect(guard([guardTrial(0.5, 1)], [1, 0.1], 0.05).lambda).toBeNull();
});

test("utility prefers the cheaper of two that are as good, and quality where it is worth more than its price", () => {
  expect(choose([0, 0, 0.01], [1, 0.2, 0.9], 0.05).model).toBe(1);
  expect(choose([0, -0.3], [1, 0.2], 0.05).model).toBe(0);
  expect(priceOfQuality([{ gaps: [0, -0.1], scores: [1, 0] }], [1, 0.1], 0)).toBeLessThan(0.12);
});

test("the same text gives the same grams, and a longer one is read at both ends", () => {
  expect(gramsOf("Ahoy there")).toEqual(gramsOf("ahoy THERE"));
  const long = gramsOf(`begin ${"x ".repeat(20_000)} finish`);
  expect([...gramsOf("begin").buckets.slice(0, 1)].every((bucket) => long.buckets.includes(bucket))).toBe(true);
  expect([...gramsOf("finish").buckets.slice(0, 1)].every((bucket) => long.buckets.includes(bucket))).toBe(true);
  expect(answerFeatures(figuresOf("2 ships"), "2 + 2 = 4")).toHaveLength(14);
});
