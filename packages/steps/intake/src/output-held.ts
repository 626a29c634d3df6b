import type { Endpoint } from "@slowboat/contract";
import { learnOutputs, longOutput, PUBLISHED_OUTPUTS } from "@slowboat/plan";
import { readOutputTokens, type Sql } from "@slowboat/store";
import { outputBound } from "./eligible.ts";

/** The tenant's own answers that lengths are learned from. */
const ANSWERS = 2_000;
/** How long (machine ms) what was learned of a tenant is taken for what it is. */
const KEPT_MS = 10_000;
/** Tenants that a process remembers. */
const TENANTS = 1_000;
/** More answers to one request than any provider gives. */
const CHOICES = 128;

/** By exact model: the tokens that 99 of 100 of a tenant's own answers do not exceed. */
export type LongOutputs = ReadonlyMap<string, number>;

/** How long a tenant's answers are, by what was settled for it until job instant `untilMs`. */
export async function readLongOutputs(sql: Sql, of: { readonly tenantId: string; readonly untilMs: number }): Promise<LongOutputs> {
  const rows = await readOutputTokens(sql, { ...of, limit: ANSWERS });
  return new Map([...Map.groupBy(rows, (row) => row.model)].map(([model, some]) => [model, longOutput(learnOutputs(some.map((row) => row.tokens)))]));
}

/** The same as a function that reads a tenant's answers at most every ten seconds. */
export function rememberLongOutputs(sql: Sql, clock: { job(): number; real(): number }): (tenantId: string) => Promise<LongOutputs> {
  const known = new Map<string, { readonly atRealMs: number; readonly outputs: Promise<LongOutputs> }>();
  return (tenantId) => {
    const found = known.get(tenantId);
    if (found !== undefined && clock.real() - found.atRealMs < KEPT_MS) return found.outputs;
    const outputs = readLongOutputs(sql, { tenantId, untilMs: clock.job() });
    known.delete(tenantId);
    known.set(tenantId, { atRealMs: clock.real(), outputs });
    if (known.size > TENANTS) known.delete(known.keys().next().value as string);
    // A look that failed is not remembered.
    outputs.catch(() => known.delete(tenantId));
    return outputs;
  };
}

/**
 * What budgets hold for in place of a limit (tokens): the longest of what the models that may answer give, for each answer that is asked for. A model of which the tenant has no
 * answers yet is taken for the published population.
 */
export function outputHeld(models: readonly string[], choices: number, outputs: LongOutputs): number {
  const unknown = longOutput(PUBLISHED_OUTPUTS);
  return choices * Math.max(...models.map((model) => outputs.get(model) ?? unknown));
}

/** The caller's bound on all tokens of the answer; `null` where the request sets none. */
export function outputLimit(endpoint: Endpoint, value: Readonly<Record<string, unknown>>): number | null {
  const bound = outputBound(value);
  return bound === null ? null : bound * choicesOf(endpoint, value);
}

/** How many answers a request asks for at once: each has the whole limit to itself. */
export function choicesOf(endpoint: Endpoint, { n }: Readonly<Record<string, unknown>>): number {
  return endpoint === "/v1/chat/completions" && Number.isInteger(n) ? Math.min(CHOICES, Math.max(1, n as number)) : 1;
}

/** How a refused caller is told what was held for in place of a limit. */
export const heldNote = (tokens: number): string =>
  ` It sets no max_tokens, so ${tokens} tokens of output are held for, which 99 of 100 answers do not exceed; a limit of its own makes that less.`;

/** The same for a batch, of whose lines so many set no limit. */
export const heldLinesNote = (lines: number): string =>
  ` ${lines} of its requests set no max_tokens, so for each as much output is held for as 99 of 100 answers do not exceed; limits of their own make that less.`;
