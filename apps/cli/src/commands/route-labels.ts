import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { labelOf, packLabel } from "@slowboat/route-learn";
import { Ended, EXIT } from "../exit.ts";

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
  const answers: Record<string, string> = {};
  for (const [name, graded] of Object.entries(models as Record<string, { score?: unknown; response?: unknown } | null>)) {
    const score = graded?.score;
    if (typeof score !== "number" || !(score >= 0 && score <= 1)) throw bad(`the score of '${name.slice(0, 64)}' must be a number from 0 to 1`);
    scores[name] = score;
    const response = graded?.response;
    if (typeof response === "string") answers[name] = response;
  }
  const id = createHash("sha256").update(`${job}\0${prompt}`).digest("hex");
  return { id, label: packLabel(labelOf({ prompt, job, scores, answers, weight })) };
}
