import { equationsOf, holds, numberOf } from "./arithmetic.ts";

/** Names of the answer features, in the order of their values. */
export const ANSWER = [
  "answer length",
  "answer lines",
  "answer numbers",
  "final markers",
  "wrong equations",
  "equations",
  "wrong share",
  "final has decimals",
  "final stands in the prompt",
  "length against the prompt",
  "prompt numbers unused",
  "however or since",
  "calculator marks",
  "size of the final number",
] as const;

const NUMBERS = /-?\d[\d,]*(?:\.\d+)?/g;
const MOST_CHARS = 16_384;

/** 14 figures of an answer that need no model: its form, its arithmetic recomputed, its final number beside the prompt's numbers. */
export function answerFeatures(prompt: string, whole: string): Float64Array {
  const answer = whole.slice(0, MOST_CHARS);
  const asked = prompt.slice(0, MOST_CHARS);
  const numbers = (answer.match(NUMBERS) ?? []).map(numberOf);
  const given = new Set((asked.match(NUMBERS) ?? []).map(numberOf));
  const used = new Set(numbers);
  const equations = equationsOf(answer);
  const wrong = equations.filter((equation) => !holds(equation)).length;
  const final = numbers.at(-1) ?? 0;
  const unused = [...given].filter((number) => !used.has(number)).length;
  return Float64Array.of(
    answer.length,
    answer.split("\n").length,
    numbers.length,
    (answer.match(/####|\\boxed|\banswer is\b/gi) ?? []).length,
    wrong,
    equations.length,
    wrong / Math.max(1, equations.length),
    Number.isInteger(final) ? 0 : 1,
    given.has(final) ? 1 : 0,
    answer.length / Math.max(1, asked.length),
    unused / Math.max(1, given.size),
    /\b(?:However|since)\b/.test(answer) ? 1 : 0,
    (answer.match(/<<[^<>]*>>/g) ?? []).length,
    Math.log1p(Math.abs(final)),
  );
}
