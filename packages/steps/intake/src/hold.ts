import { holdNano } from "@slowboat/plan";
import type { NewJob } from "@slowboat/store";
import type { Arrival } from "./desk.ts";
import type { Caller } from "./keys.ts";
import type { IntakeTerms } from "./submit.ts";

/** What budgets must hold for a caller's job; `undefined` where none counts its work. */
export const holdOf = ({ book, house }: Pick<IntakeTerms, "book" | "house">, caller: Pick<Caller, "budgeted">, job: NewJob): Arrival["hold"] =>
  caller.budgeted ? { amountNano: holdNano(book, job, { lanes: house.lanes, interactive: false }, job.acceptedAtMs) } : undefined;
