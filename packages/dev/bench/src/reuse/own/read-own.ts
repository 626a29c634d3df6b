import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PairRow } from "../read-reuse.ts";

const blocksOf = (name: string): string[][] =>
  readFileSync(fileURLToPath(new URL(name, import.meta.url)), "utf8")
    .split(/\n\s*\n/)
    .map((block) => block.split("\n").filter((line) => line !== "" && !line.startsWith("#")))
    .filter((block) => block.length > 0);

/** Our own traps: each stored question with what its answer fits and what it does not fit. */
export const readOwnTraps = (): (PairRow & { kind: string })[] =>
  blocksOf("traps.txt").flatMap(([a = "", ...lines]) =>
    lines.map((line) => {
      const trap = /^! (\w+): (.+)$/.exec(line);
      return { a, b: trap?.[2] ?? line.slice(2), same: trap === null, kind: trap?.[1] ?? "paraphrase" };
    }),
  );

/** What the prior of the verifier is taught with: block after block, every pair of lines that share an answer, and every such line with every line that does not. */
export const readLessons = (): PairRow[][] =>
  blocksOf("lessons.txt").map((lines) => {
    const same = lines.filter((line) => line.startsWith("= ")).map((line) => line.slice(2));
    const other = lines.filter((line) => line.startsWith("! ")).map((line) => line.slice(2));
    return same.flatMap((a, at) => [
      ...same.filter((_, no) => no !== at).map((b) => ({ a, b, same: true })),
      ...other.map((b) => ({ a, b, same: false })),
    ]);
  });
