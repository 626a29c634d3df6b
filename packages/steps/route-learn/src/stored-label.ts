import { type Answered, type Ask, answerFeatures, askOf, figuresOf, gramsOf, type Label } from "@slowboat/route";
import { packed, unpacked } from "@slowboat/store";

/** A label as it is kept: hashed features and grades, by the models' names, so that it outlives a change of the candidates. */
export interface StoredLabel {
  readonly ask: Ask;
  readonly scores: Readonly<Record<string, number>>;
  readonly answers: Readonly<Record<string, Omit<Answered, "expectedLoss">>>;
  /** One over the chance with which it was collected. */
  readonly weight: number;
  /** True where somebody chose it, and no dice. */
  readonly chosen?: boolean;
}

/** A graded request in words, as a file or a pair has it. */
export interface GradedRequest {
  /** The last question alone. */
  readonly prompt: string;
  /** Key of the job or template; empty for none. */
  readonly job: string;
  /** 0 to 1, by the model's name. */
  readonly scores: Readonly<Record<string, number>>;
  /** What models answered, where it is known. */
  readonly answers: Readonly<Record<string, string>>;
  readonly weight: number;
  readonly chosen?: boolean;
}

/** Labels that are kept for an alias; the oldest go first. */
export const LABELS_MAX = 5_000;

/** What is kept of a graded request: nothing of its text can be read back. */
export function labelOf({ prompt, job, scores, answers, weight, chosen = false }: GradedRequest): StoredLabel {
  const figures = figuresOf(prompt);
  const seen = Object.entries(answers).map(([name, text]) => [name, { grams: gramsOf(text), features: answerFeatures(figures, text) }] as const);
  return { ask: askOf(prompt, job), scores, answers: Object.fromEntries(seen), weight, ...(chosen ? { chosen } : {}) };
}

/** A label as bytes. */
export const packLabel = (label: StoredLabel): Uint8Array => packed(label);

/** A label out of its bytes; `null` where another version wrote them. */
export const unpackLabel = (bytes: Uint8Array): StoredLabel | null => unpacked<StoredLabel>(bytes);

/** A label in the order of the models, the baseline first; `null` where it lacks one of them and says nothing. */
export function inOrder(label: StoredLabel, models: readonly string[]): Label | null {
  if (models.some((name) => label.scores[name] === undefined)) return null;
  return {
    ...label.ask,
    scores: Float64Array.from(models, (name) => label.scores[name] ?? 0),
    answers: new Map(models.flatMap((name, m) => (m > 0 && label.answers[name] ? [[m, label.answers[name]] as const] : []))),
    weight: label.weight,
    ...(label.chosen ? { chosen: true } : {}),
  };
}
