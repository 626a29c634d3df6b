import { seededRng } from "@slowboat/kernel";
import { expect, test } from "vitest";
import { readLessons, readOwnTraps } from "./own/read-own.ts";
import { crossValidated, nearestWithin, questionsOf } from "./pairs.ts";
import { orderOf, runOurs, runStatic, type Stream } from "./streams.ts";
import { runVcache } from "./vcache.ts";
import { nearTable } from "./vectors.ts";

/** Vectors on a circle: what is `step` apart has the cosine of it. */
const circle = (count: number, step: number): Float32Array[] =>
  Array.from({ length: count }, (_, at) => {
    const vector = new Float32Array(512);
    vector[0] = Math.cos(at * step);
    vector[1] = Math.sin(at * step);
    return vector;
  });

const stream = (answers: readonly (string | null)[], step: number): Stream => ({
  rows: answers.map((answer, at) => ({ text: `request ${String.fromCharCode(97 + (at % 26))}`, answer })),
  near: nearTable(circle(answers.length, step)),
});

test("no trap was a lesson: what judges the verifier did not teach it", () => {
  const lessons = new Set(readLessons().flatMap((block) => block.flatMap(({ a, b }) => [a.toLowerCase(), b.toLowerCase()])));
  const traps = readOwnTraps();
  expect(traps.filter(({ a, b }) => lessons.has(a.toLowerCase()) || lessons.has(b.toLowerCase()))).toEqual([]);
  expect(traps.filter(({ same }) => !same).length).toBeGreaterThanOrEqual(200);
  expect(traps.filter(({ same }) => same).length).toBeGreaterThanOrEqual(90);
});

test("the nearest rows come in order of cosine, without the row itself", () => {
  const { nearest, rows, similarities } = nearTable(circle(6, 0.3));
  expect(nearest).toBe(5);
  expect([...rows.slice(0, 5)]).toEqual([1, 2, 3, 4, 5]);
  expect(similarities[0]).toBeCloseTo(Math.cos(0.3), 4);
});

test("an answer shared with nobody is wrong for everybody, and counted so", () => {
  const run = runStatic(stream(["x", null, null, "x"], 0.01), [0, 1, 2, 3], 0.9);
  expect(run).toMatchObject({ requests: 4, hits: 3, wrong: 2, wrongOnNull: 2 });
});

test("from a cold start neither ours nor vCache answers before it has seen enough", () => {
  const all = stream(
    Array.from({ length: 60 }, () => "x"),
    0.001,
  );
  expect(runOurs(all, orderOf(60, 0, 1), 0.05, seededRng(1)).hits).toBe(0);
  // Four answers compared besides the two observations that an entry begins with.
  expect(runVcache(all, orderOf(60, 0, 1), 0.5, seededRng(1)).hits).toBeGreaterThan(0);
  expect(runVcache(stream(["x", "x", "x", "x", "x"], 0.001), [0, 1, 2, 3, 4], 0.5, seededRng(1)).hits).toBe(0);
});

test("a pair that must be told apart is never right, and few labels tell nothing", () => {
  const vectors = circle(2, 0.01);
  const questions = questionsOf(
    [
      { a: "one", b: "other", same: false },
      { a: "other", b: "one", same: true },
    ],
    (text) => (text === "one" ? vectors[0] : vectors[1]) as Float32Array,
  );
  expect(nearestWithin(questions, 0.9)).toMatchObject({ right: 1, wrong: 1, miss: 0, different: 1, differentWrong: 1, same: 1, sameRight: 1 });
  expect(crossValidated(questions, 0.05, 1)).toMatchObject({ right: 0, wrong: 0, miss: 2 });
});
