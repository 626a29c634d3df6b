import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { type Answered, type Ask, answerFeatures, askOf, figuresOf, gramsOf, type Label } from "@slowboat/route";
import { packed, unpacked } from "@slowboat/store";
import { Ended, EXIT } from "../exit.ts";

/** A label as it is kept: hashed features and grades, by the models' names, so that it outlives a change of the candidates. */
interface StoredLabel {
  readonly ask: Ask;
  readonly scores: Readonly<Record<string, number>>;
  readonly answers: Readonly<Record<string, Omit<Answered, "expectedLoss">>>;
  readonly weight: number;
}

const LINE_CHARS = 1_000_000;

/** Reads labels from a JSONL file, each line `{prompt, job_key?, models: {NAME: {score, response?}}, weight?}`; the first that is not as it should be ends the command. */
export async function readLabelFile(path: string): Promise<{ readonly id: string; readonly label: Uint8Array }[]> {
  const labels: { id: string; label: Uint8Array }[] = [];
  let no = 0;
  for await (const line of createInterface({ input: path === "-" ? process.stdin : createReadStream(path) })) {
    no++;
    if (line.trim() === "") continue;
    labels.push(readLine(line, no));
  }
  return labels;
}

function readLine(line: string, no: number): { readonly id: string; readonly label: Uint8Array } {
  const bad = (what: string): Ended => new Ended(EXIT.usage, `Line ${no}: ${what}.`);
  if (line.length > LINE_CHARS) throw bad(`it is longer than ${LINE_CHARS} characters`);
  let row: { prompt?: unknown; job_key?: unknown; models?: unknown; weight?: unknown };
  try {
    row = JSON.parse(line) as typeof row;
  } catch {
    throw bad("it is not JSON");
  }
  const { prompt, job_key: job = "", models, weight = 1 } = row;
  if (typeof prompt !== "string" || prompt === "") throw bad("'prompt' must be a text");
  if (typeof job !== "string") throw bad("'job_key' must be a text");
  if (typeof weight !== "number" || !(weight > 0))
    throw bad("'weight' must be a number above 0: one over the chance with which the label was collected");
  if (typeof models !== "object" || models === null) throw bad("'models' must be an object, model to {score}");
  const scores: Record<string, number> = {};
  const answers: Record<string, Omit<Answered, "expectedLoss">> = {};
  for (const [name, graded] of Object.entries(models as Record<string, { score?: unknown; response?: unknown } | null>)) {
    const score = graded?.score;
    if (typeof score !== "number" || !(score >= 0 && score <= 1)) throw bad(`the score of '${name.slice(0, 64)}' must be a number from 0 to 1`);
    scores[name] = score;
    const response = graded?.response;
    if (typeof response === "string") answers[name] = { grams: gramsOf(response), features: answerFeatures(figuresOf(prompt), response) };
  }
  const id = createHash("sha256").update(`${job}\0${prompt}`).digest("hex");
  return { id, label: packed({ ask: askOf(prompt, job), scores, answers, weight } satisfies StoredLabel) };
}

/** Stored labels in the order of the models; those that lack one of them say nothing and are left out. */
export function labelsFor(stored: readonly Uint8Array[], models: readonly string[]): Label[] {
  return stored.flatMap((bytes): Label[] => {
    const label = unpacked<StoredLabel>(bytes);
    if (label === null || models.some((name) => label.scores[name] === undefined)) return [];
    return [
      {
        ...label.ask,
        scores: Float64Array.from(models, (name) => label.scores[name] ?? 0),
        answers: new Map(models.flatMap((name, m) => (m > 0 && label.answers[name] ? [[m, label.answers[name]] as const] : []))),
        weight: label.weight,
      },
    ];
  });
}
