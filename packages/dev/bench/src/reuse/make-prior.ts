import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { seededRng } from "@slowboat/kernel";
import { decideReuse, emptyState, type Neighbour, type ReuseAsk, teach } from "@slowboat/reuse-semantic";
import { readLessons } from "./own/read-own.ts";
import { cosine, embedAll, type VectorOf } from "./vectors.ts";

/** How strongly the weights are pulled to zero. */
const PULL = 2;
const NEIGHBOURS = 16;
const TARGET = fileURLToPath(new URL("../../../../core/reuse-semantic/src/prior.json", import.meta.url));

const entry = (vectorOf: VectorOf, text: string, kept: string, answerKey: string): Neighbour => ({
  id: kept,
  text: kept,
  similarity: cosine(vectorOf(text), vectorOf(kept)),
  answerKey,
  ageMs: 0,
  hits: 0,
});

/** Every pair alone, and every line in the midst of all other lines: a cache with one entry and one with many. */
function lessonsOf(vectorOf: VectorOf): { ask: ReuseAsk; label: boolean }[] {
  const blocks = readLessons();
  const alone = blocks
    .flat()
    .map(({ a, b, same }) => ({ ask: { text: b, allowedError: 0.01, neighbours: [entry(vectorOf, b, a, "one")] }, label: same }));
  const answers = new Map<string, string>();
  blocks.forEach((pairs, block) => {
    for (const { a, b, same } of pairs) {
      answers.set(a, `block ${block}`);
      if (!same) answers.set(b, `of its own: ${b}`);
    }
  });
  const amidst = [...answers].map(([text, answer]) => {
    const neighbours = [...answers]
      .filter(([kept]) => kept !== text)
      .map(([kept, answerKey]) => entry(vectorOf, text, kept, answerKey))
      .sort((a, b) => b.similarity - a.similarity)
      .slice(0, NEIGHBOURS);
    return { ask: { text, allowedError: 0.01, neighbours }, answer };
  });
  // A label is about the entry that the neighbours elect.
  const electedOf = ({ text, neighbours, allowedError }: ReuseAsk): string | null =>
    decideReuse(emptyState(), { text, neighbours, allowedError }, seededRng(1)).candidate;
  return [...alone, ...amidst.map(({ ask, answer }) => ({ ask, label: answers.get(electedOf(ask) ?? "") === answer }))];
}

/** JSON as the formatter of the house leaves it: numbers fill their lines. */
function written({ revision, weights }: ReturnType<typeof teach>): string {
  const WIDTH = 150;
  const lines: string[] = [];
  for (const [at, weight] of weights.entries()) {
    const word = `${weight}${at < weights.length - 1 ? "," : ""}`;
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`    ${word}`);
  }
  return `{\n  "revision": ${revision},\n  "weights": [\n${lines.join("\n")}\n  ]\n}\n`;
}

const texts = readLessons().flatMap((pairs) => pairs.flatMap(({ a, b }) => [a, b]));
const lessons = lessonsOf(await embedAll(texts));
writeFileSync(TARGET, written(teach(lessons, PULL)));
process.stdout.write(`${lessons.length} lessons, ${lessons.filter(({ label }) => label).length} of them right: ${TARGET}\n`);
