import { expect, test } from "vitest";
import type { Embed } from "./embedder.ts";
import { createClassifier, type Label } from "./zero-shot.ts";

/** An embedder of two dimensions: the angle in degrees that the text spells. Counts what it is asked. */
function angles(): { embed: Embed; asked: string[] } {
  const asked: string[] = [];
  const embed: Embed = async (texts) => {
    asked.push(...texts);
    return {
      vectors: texts.map((text) => Float32Array.of(Math.cos((Number(text) * Math.PI) / 180), Math.sin((Number(text) * Math.PI) / 180))),
      tokens: texts.map(() => 3),
    };
  };
  return { embed, asked };
}

const LABELS: Label[] = [
  { name: "east", description: "0" },
  { name: "north", description: "90" },
];

test("the nearest label wins, scores are the softmax of cosine / 0.05 and sum to 1", async () => {
  const classify = createClassifier(angles().embed);
  const [result] = await classify(["46"], LABELS);
  expect(result?.label).toBe("north");
  const odds = Math.exp((Math.sin((46 * Math.PI) / 180) - Math.cos((46 * Math.PI) / 180)) / 0.05);
  expect(result?.scores["north"]).toBeCloseTo(odds / (1 + odds), 5);
  expect((result?.scores["north"] ?? 0) + (result?.scores["east"] ?? 0)).toBeCloseTo(1, 9);
  expect(result?.tokens).toBe(3);
});

test("label vectors are computed once", async () => {
  const { embed, asked } = angles();
  const classify = createClassifier(embed);
  await classify(["10"], LABELS);
  await classify(["20"], LABELS);
  expect(asked.toSorted()).toEqual(["0", "10", "20", "90"]);
});

test.each([
  ["too few", [LABELS[0] as Label]],
  ["two of one name", [...LABELS, { name: "east", description: "5" }]],
  ["an empty one", [...LABELS, { name: "nowhere", description: " " }]],
  ["too many", Array.from({ length: 257 }, (_, i) => ({ name: `l${i}`, description: `${i}` }))],
])("labels are refused where there are %s", async (_, labels) => {
  await expect(createClassifier(angles().embed)(["1"], labels)).rejects.toMatchObject({ code: "invalid-request", detail: { param: "labels" } });
});
