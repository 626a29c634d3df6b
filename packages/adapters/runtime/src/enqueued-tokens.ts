import { batchModels } from "@slowboat/pricing";
import { z } from "zod";
import type { Market } from "./providers.ts";

const NAME = "SLOWBOAT_ENQUEUED_TOKENS";
const EXAMPLE = '{"openai-batch":{"gpt-5-mini":1500000,"*":900000}}';
const limits = z.record(z.string(), z.record(z.string(), z.int().min(1)));

/**
 * Reads the limits of enqueued tokens by lane, then by model, `*` standing for every model that is not named; nothing set is no limit. Throws a plain one-line error that names the setting, what is wrong and what can be: text that is no such
 * JSON, a lane that has no batches here, a model that its provider does not sell in batches.
 */
export function readEnqueuedTokens(
  text: string | undefined,
  market: Pick<Market, "book" | "batchProviders">,
): Record<string, Record<string, number>> {
  if (text === undefined) return {};
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${NAME} is no JSON: write limits as ${EXAMPLE}.`, { cause });
  }
  const parsed = limits.safeParse(json);
  if (!parsed.success) {
    const path = (parsed.error.issues[0]?.path ?? []).map(String);
    throw new Error(
      path.length === 2
        ? `${NAME}: the limit of ${path[0]} for ${path[1]} is not possible: give a whole number of tokens from 1.`
        : `${NAME} is not lane, then model, then tokens: write limits as ${EXAMPLE}.`,
    );
  }
  for (const [lane, models] of Object.entries(parsed.data)) checkNames(lane, Object.keys(models), market);
  return parsed.data;
}

function checkNames(lane: string, models: readonly string[], { book, batchProviders }: Pick<Market, "book" | "batchProviders">): void {
  const lanes = batchProviders.map((provider) => `${provider}-batch`);
  if (!lanes.includes(lane)) throw new Error(`${NAME}: '${lane.slice(0, 64)}' is no batch lane here; known: ${lanes.join(", ")}.`);
  const known = batchModels(book, lane.replace(/-batch$/, ""));
  const stray = models.find((model) => model !== "*" && !known.includes(model));
  if (stray !== undefined)
    throw new Error(`${NAME}: ${lane} sells no model '${stray.slice(0, 64)}'; known: ${known.join(", ")}, and * for all others.`);
}
