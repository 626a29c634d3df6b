import type { Rng } from "@slowboat/kernel";
import { answerFeatures, askOf, figuresOf, gramsOf, type Label } from "../index.ts";

export { gramsOf };

/** Words that only hard requests have. */
export const HARD = "derive the asymptotic expansion and prove the bound";

const EASY = ["name the colour", "say the day", "spell the word", "count the boats"];
const PLACES = ["harbour", "river", "island", "lighthouse", "cargo", "bridge", "captain"];

/** Labels of a world in which the cheap model fails what is hard; its wrong answers show it in their wording. */
export function makeLabels(count: number, rng: Rng, what: { readonly cheapRight?: number; readonly answers?: boolean }): Label[] {
  const pick = (list: readonly string[]): string => list[rng.u32() % list.length] ?? "";
  return Array.from({ length: count }, () => {
    const hard = rng.float() < 0.4;
    const prompt = `${hard ? HARD : pick(EASY)} of the ${pick(PLACES)} ${rng.u32() % 1_000} tonight please`;
    const right = rng.float() < (what.cheapRight ?? (hard ? 0.3 : 0.97)) ? 1 : 0;
    const text = right === 1 ? `The answer is ${pick(PLACES)}, clearly.` : `Perhaps ${pick(PLACES)} or maybe ${pick(PLACES)}, however it varies.`;
    return {
      ...askOf(prompt, hard ? "hard" : "easy"),
      scores: Float64Array.of(rng.float() < 0.98 ? 1 : 0, right),
      answers: new Map(what.answers ? [[1, { grams: gramsOf(text), features: answerFeatures(figuresOf(prompt), text) }]] : []),
      weight: 1,
    };
  });
}

/** A trial of two models with the given expected loss and the cheap one's score. */
export const guardTrial = (expectedLoss: number, cheapScore: number) => ({ gaps: [0, -expectedLoss], scores: [1, cheapScore], weight: 1 });
