import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { answerFeatures, askOf, type Example, gramsOf } from "@slowboat/route";

/** A file of graded answers, as features: the baseline's score first. */
export interface Labels {
  readonly models: readonly string[];
  readonly examples: readonly Example[];
  readonly lengths: Float64Array;
  /** Answers of the second model, with and without calculator marks; empty where the file holds none. */
  readonly answers: readonly Answers[];
}

interface Answers {
  readonly plain: Features;
  readonly stripped: Features;
}

interface Features {
  readonly grams: ReturnType<typeof gramsOf>;
  readonly features: Float64Array;
}

interface Row {
  readonly prompt: string;
  readonly job_key: string;
  readonly models: Readonly<Record<string, { readonly score: number; readonly response?: string }>>;
}

/** The files of the bench, and the model of each that routing saves on: `null` means the best single one. */
export const FILES = { mmlu: "gpt-4-1106", gsm8k: "gpt-4-1106", "nine-models": null } as const;
export type FileName = keyof typeof FILES;

/** Where a file of labels stands, or `null` where it does not. */
export function fileOf(dataDir: string | null, name: FileName): string | null {
  const path = join(dataDir ?? "", `${name}.jsonl`);
  return dataDir !== null && existsSync(path) ? path : null;
}

/** Reads a file of labels and computes its features. Throws with the line that is not as it should be. */
export function readLabels(path: string, name: FileName): Labels {
  const rows = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line, no): Row => {
      const row = JSON.parse(line) as Row;
      if (typeof row.prompt !== "string" || typeof row.job_key !== "string" || typeof row.models !== "object")
        throw new Error(`${path}, line ${no + 1}: a label needs prompt, job_key and models`);
      return row;
    });
  const names = Object.keys(rows[0]?.models ?? {});
  const mean = (model: string): number => rows.reduce((sum, row) => sum + (row.models[model]?.score ?? 0), 0) / rows.length;
  const baseline = FILES[name] ?? [...names].sort((a, b) => mean(b) - mean(a))[0] ?? "";
  const models = [baseline, ...names.filter((model) => model !== baseline).sort()];
  const cheap = models[1] ?? "";
  return {
    models,
    lengths: Float64Array.from(rows, ({ prompt }) => prompt.length),
    examples: rows.map(({ prompt, job_key, models: graded }, no) => ({
      ...askOf(prompt, job_key),
      scores: Float64Array.from(models, (model) => {
        const score = graded[model]?.score;
        if (typeof score !== "number" || !(score >= 0 && score <= 1)) throw new Error(`${path}, line ${no + 1}: ${model} has no score from 0 to 1`);
        return score;
      }),
    })),
    answers: rows.flatMap(({ prompt, models: graded }) => {
      const response = graded[cheap]?.response;
      if (response === undefined) return [];
      const of = (text: string): Features => ({ grams: gramsOf(text), features: answerFeatures(prompt, text) });
      return [{ plain: of(response), stripped: of(response.replace(/<<[^<>]*>>/g, "")) }];
    }),
  };
}
