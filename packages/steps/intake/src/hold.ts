import { holdNano } from "@slowboat/plan";
import type { NewJob } from "@slowboat/store";
import type { Arrival } from "./desk.ts";
import type { Caller } from "./keys.ts";
import { heldNote, type LongOutputs, outputHeld } from "./output-held.ts";
import type { JudgedRequest } from "./request.ts";
import type { IntakeTerms } from "./submit.ts";

/** What is held for a request's output where it sets no limit, by what its tenant's answers are like; `undefined` where it does. */
export const heldOutput = (
  { model, fallbacks, outputLimit, choices }: Pick<JudgedRequest, "model" | "fallbacks" | "outputLimit" | "choices">,
  outputs: LongOutputs,
): number | undefined =>
  outputLimit === null
    ? outputHeld([...model.candidates.map((one) => one.model), ...fallbacks.map((one) => one.model)], choices, outputs)
    : undefined;

/** What budgets must hold for a caller's job; `undefined` where none counts its work. `outputs` is asked only for one that sets no limit. */
export async function holdOf(
  { book, house }: Pick<IntakeTerms, "book" | "house">,
  caller: Pick<Caller, "budgeted" | "tenantId">,
  { job, judged }: { readonly job: NewJob; readonly judged: JudgedRequest },
  outputs: (tenantId: string) => Promise<LongOutputs>,
): Promise<Arrival["hold"]> {
  if (!caller.budgeted) return undefined;
  const outputTokens = judged.outputLimit === null ? heldOutput(judged, await outputs(caller.tenantId)) : undefined;
  const amountNano = holdNano(book, job, { lanes: house.lanes, interactive: false, outputTokens }, job.acceptedAtMs);
  return { amountNano, ...(outputTokens === undefined ? {} : { note: heldNote(outputTokens) }) };
}
