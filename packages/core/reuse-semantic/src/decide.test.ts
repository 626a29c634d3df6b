import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { thresholdOf } from "./decide.ts";
import {
  complain,
  decideReuse,
  emptyState,
  learn,
  type Neighbour,
  noteReuse,
  type ReuseAsk,
  type ReuseState,
  readState,
  writeState,
} from "./index.ts";
import { POLICY } from "./policy.ts";

const SEED = 20_261_128;
const TOPICS = "harbour lantern cargo river signal ledger engine anchor".split(" ");

const neighbour = (over: Partial<Neighbour> = {}): Neighbour => ({
  id: "e1",
  text: "how do I open the harbour gate",
  similarity: 0.9,
  answerKey: "gate",
  ageMs: 1_000,
  hits: 0,
  ...over,
});

/** Traffic in which near entries are right and far ones wrong, with some of both. */
function traffic(seed: number): () => { ask: ReuseAsk; right: boolean } {
  const rng = seededRng(seed);
  return () => {
    const similarity = 0.5 + rng.float() / 2;
    const right = rng.float() < (similarity > 0.8 ? 0.995 : (similarity - 0.5) * 2);
    const topic = TOPICS[rng.u32() % TOPICS.length] ?? "";
    const text = `where does one find the ${topic} ${right ? "keeper" : "master"}`;
    const other = neighbour({ id: "e2", text: `which ${topic} is it`, similarity: similarity - 0.1 * rng.float(), answerKey: "another" });
    const ask = { text, allowedError: 0.05, neighbours: [neighbour({ text: `find me the ${topic} keeper`, similarity, answerKey: topic }), other] };
    return { ask, right };
  };
}

function taught(requests: number, seed = SEED): { state: ReuseState; reused: number; wrong: number } {
  const next = traffic(seed);
  const rng = seededRng(seed + 1);
  let state = emptyState();
  let reused = 0;
  let wrong = 0;
  for (let nowMs = 0; nowMs < requests; nowMs++) {
    const { ask, right } = next();
    const decision = decideReuse(state, ask, rng);
    if (decision.kind !== "reuse") state = learn(state, { ask, decision, label: right, nowMs });
    else {
      reused++;
      if (!right) wrong++;
    }
  }
  return { state, reused, wrong };
}

test("a namespace that has learned nothing reuses nothing, however near an entry lies", () => {
  const decision = decideReuse(
    emptyState(),
    { text: "how do I open the harbour gate?", neighbours: [neighbour({ similarity: 1 })], allowedError: 0.5 },
    seededRng(SEED),
  );
  expect(decision).toMatchObject({ kind: "miss", id: null, candidate: "e1", threshold: 2, propensity: 1, gray: false });
  expect(decision.reasons).toEqual(["too few labels: exact repetition only"]);
});

test("where nothing was asked there is nothing to reuse and nothing to learn from", () => {
  const ask = { text: "anything", neighbours: [], allowedError: 0.01 };
  const decision = decideReuse(emptyState(), ask, seededRng(SEED));
  expect(decision).toMatchObject({ kind: "miss", candidate: null });
  expect(learn(emptyState(), { ask, decision, label: true, nowMs: 0 })).toEqual(emptyState());
});

test(`it learns to reuse and holds what is allowed (seed ${SEED})`, () => {
  const runs = [0, 1, 2, 3].map((run) => taught(1_500, SEED + run));
  const reused = runs.reduce((sum, run) => sum + run.reused, 0);
  const wrong = runs.reduce((sum, run) => sum + run.wrong, 0);
  expect(reused).toBeGreaterThan(2_000);
  expect(wrong / 6_000).toBeLessThan(0.05);
});

test(`of would-be hits the doubtful are asked anew more often, and those that were stand for all by their chance (seed ${SEED})`, () => {
  const { state } = taught(1_500);
  const next = traffic(9);
  const rng = seededRng(10);
  const tally = { hits: 0, stoodFor: 0 };
  const chances = new Map<number, number>();
  for (let i = 0; i < 8_000; i++) {
    const { kind, score, threshold, propensity } = decideReuse(state, next().ask, rng);
    if (kind === "miss") continue;
    tally.hits++;
    if (kind === "explore") tally.stoodFor += 1 / propensity;
    const chance = Number((kind === "explore" ? propensity : 1 - propensity).toFixed(9));
    expect(chance).toBeGreaterThanOrEqual(POLICY.exploreMin);
    expect(chance).toBeLessThanOrEqual(POLICY.exploreMax);
    chances.set((1 - score) / (1 - threshold), chance);
  }
  expect(Math.abs(tally.stoodFor / tally.hits - 1)).toBeLessThan(0.2);
  const byDoubt = [...chances].sort(([a], [b]) => a - b).map(([, chance]) => chance);
  expect(byDoubt).toEqual([...byDoubt].sort((a, b) => a - b));
  expect(byDoubt.at(-1)).toBeGreaterThan(byDoubt[0] as number);
});

test("labels that by chance show no loss do not loosen the threshold beyond what the verifier itself expects to lose", () => {
  const lucky = Array.from({ length: 1_000 }, (_, i) => ({ score: i / 1_000, loss: 0, weight: 1, copy: false }));
  const state: ReuseState = { ...emptyState(), fit: { weights: emptyState().fit.weights, samples: lucky, released: 0 } };
  const allowed = 0.05;
  const threshold = thresholdOf(state, allowed, false);
  const expected = lucky.reduce((sum, { score }) => sum + (score > threshold ? 1 - score : 0), 0) / lucky.length;
  expect(expected).toBeLessThanOrEqual(allowed * (1 - POLICY.reserve));
  expect(expected).toBeGreaterThan(0.8 * allowed * (1 - POLICY.reserve));
});

test("a stricter tenant is served from the same state with a higher threshold, and below one over the labels with none", () => {
  const { state } = taught(900);
  const ask = traffic(3)().ask;
  const at = (allowedError: number) => decideReuse(state, { ...ask, allowedError }, seededRng(1)).threshold;
  expect(at(0.02)).toBeGreaterThan(at(0.1));
  expect(at(0.0005)).toBe(2);
});

test("of near copies that must be told apart nearly all are, though the allowed error would let all of them pass", () => {
  const [room, key] = ["where do I book a meeting room in the north wing", "where do I book a meeting table in the north wing"];
  const rng = seededRng(SEED);
  const draw = (): { ask: ReuseAsk; right: boolean } => {
    const trap = rng.float() < 0.04;
    const similarity = (trap ? 0.86 : 0.9) + rng.float() / 12;
    const [asked, kept] = trap ? [key, room] : [`${room} today`, room];
    return { ask: { text: asked, allowedError: 0.2, neighbours: [neighbour({ text: kept, similarity })] }, right: !trap };
  };
  let state = emptyState();
  for (let nowMs = 0; nowMs < 6_000; nowMs++) {
    const { ask, right } = draw();
    const decision = { kind: "miss", id: null, candidate: "e1", score: 0, threshold: 2, propensity: 1, reasons: [], gray: false } as const;
    state = learn(state, { ask, decision, label: right, nowMs });
  }
  const tally = { traps: 0, passed: 0, true: 0, reused: 0 };
  for (let i = 0; i < 4_000; i++) {
    const { ask, right } = draw();
    const answered = decideReuse(state, ask, rng).kind !== "miss";
    tally[right ? "true" : "traps"]++;
    if (answered) tally[right ? "reused" : "passed"]++;
  }
  expect(tally.passed / tally.traps).toBeLessThan(0.03);
  expect(tally.reused / tally.true).toBeGreaterThan(0.5);
  // Without the bound of the near copies all of them would be within what is allowed.
  expect(tally.traps / 4_000).toBeLessThan(0.2 * (1 - POLICY.reserve));
});

test("numbers, identifiers and denials forbid reuse whatever was learned", () => {
  const { state } = taught(900);
  const ask = (text: string, kept: string) => ({
    text,
    allowedError: 0.05,
    neighbours: [neighbour({ text: kept, similarity: 0.99, answerKey: "harbour" })],
  });
  expect(decideReuse(state, ask("find me 5 harbour keepers", "find me 6 harbour keepers"), seededRng(1)).reasons).toEqual(["numbers differ"]);
  expect(decideReuse(state, ask("is the harbour open", "is the harbour not open"), seededRng(1)).reasons).toEqual(["one denies the other"]);
  expect(decideReuse(state, ask("who keeps pier A17", "who keeps pier B17"), seededRng(1)).reasons).toContain("identifiers differ");
});

test("what is written and read back decides the same, is bounded, and damage falls back to exact repetition", () => {
  const { state } = taught(1_500);
  const text = writeState(state);
  expect(text.length).toBeLessThan(600_000);
  const again = readState(text);
  expect(again).toEqual(state);
  const next = traffic(4);
  for (let i = 0; i < 200; i++) {
    const { ask } = next();
    expect(decideReuse(again, ask, seededRng(i))).toEqual(decideReuse(state, { ...ask }, seededRng(i)));
  }
  for (const broken of ["", "[]", "{}", "null", text.slice(0, -9), text.replace('"form":1', '"form":0'), text.replace('"labels":"', '"labels":"1')])
    expect(readState(broken)).toEqual(emptyState());
});

test("a complaint forbids the pair for good, raises the threshold, and survives what cannot be read", () => {
  const { state } = taught(900);
  const { ask } = [...Array(50)].map(traffic(5)).find(({ ask: { neighbours } }) => (neighbours[0]?.similarity ?? 0) > 0.95) as { ask: ReuseAsk };
  expect(decideReuse(state, ask, seededRng(1)).kind).toBe("reuse");
  const told = complain(state, ask.text, ask.neighbours[0]?.text ?? "");
  const after = decideReuse(told, ask, seededRng(1));
  expect(after).toMatchObject({ kind: "miss", reasons: ["this pair was told to be wrong"] });
  expect(after.threshold).toBeGreaterThan(decideReuse(state, ask, seededRng(1)).threshold);
  expect(readState(writeState(told).replace('"form":1', '"form":0')).blacklist).toEqual(told.blacklist);
});

test("an entry that draws unlike questions is shut", () => {
  let { state } = taught(900);
  const entry = neighbour({ id: "lure", text: "qqqq zzzz", similarity: 0.97, answerKey: "harbour" });
  const asks = [..."abcdefghijklmnop"].map((letter) => ({ text: `${letter.repeat(4)} mmnn`, allowedError: 0.05, neighbours: [entry] }));
  for (const ask of asks) state = noteReuse(state, ask, { ...decideReuse(state, ask, seededRng(1)), kind: "reuse", id: "lure" });
  expect(decideReuse(state, asks[0] as ReuseAsk, seededRng(1)).reasons).toContain("too many unlike questions meet this entry");
  expect(decideReuse(state, { ...(asks[0] as ReuseAsk), neighbours: [{ ...entry, id: "other" }] }, seededRng(1)).reasons).not.toContain(
    "too many unlike questions meet this entry",
  );
});

test("when explored answers turn wrong it falls back to exact repetition, and says so", () => {
  let { state } = taught(1_500);
  const next = traffic(6);
  const rng = seededRng(6);
  for (let nowMs = 0; nowMs < 4_000 && state.driftedAtMs === null; nowMs++) {
    const { ask } = next();
    const decision = decideReuse(state, ask, rng);
    // The world has changed: whatever would be reused is wrong.
    if (decision.kind === "explore") state = learn(state, { ask, decision, label: false, nowMs });
  }
  expect(state.driftedAtMs).not.toBeNull();
  const ask = { ...next().ask, neighbours: [neighbour({ similarity: 1 })] };
  expect(decideReuse(state, ask, rng)).toMatchObject({
    kind: "miss",
    threshold: 2,
    reasons: ["the traffic has changed: exact repetition only until enough is learned"],
  });
});

test("the window is bounded", () => {
  let state = emptyState();
  const next = traffic(7);
  for (let nowMs = 0; nowMs < POLICY.window + 600; nowMs++) {
    const { ask, right } = next();
    const decision = { ...decideReuse(emptyState(), ask, seededRng(1)) };
    state = learn(state, { ask, decision, label: right, nowMs });
  }
  expect(state.window.length + state.fresh.length).toBeLessThanOrEqual(POLICY.window + POLICY.refitMax);
  expect(writeState(state).length).toBeLessThan(600_000);
});
