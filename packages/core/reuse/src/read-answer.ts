import type { Endpoint, Usage } from "@slowboat/contract";
import { type Tier, usageOf } from "@slowboat/pricing";
import { finishOf } from "./may.ts";

/** What a 2xx answer says of itself. */
export interface AnswerReading {
  readonly usage: Usage | null;
  /** The tier it says it had; `null` where it says none. */
  readonly tier: Tier | null;
  /** Why it ended, in the provider's word; `null` where it has none or does not say. */
  readonly finish: string | null;
  /** Why its usage could not be read, where it could not. */
  readonly quarantine: string | null;
}

/** Reads an answer, as text or as the object that it was parsed to; text that is no JSON says nothing. */
export function readAnswer(endpoint: Endpoint, answer: string | object): AnswerReading {
  const body = typeof answer === "string" ? parse(answer) : answer;
  const said = usageOf(endpoint, body);
  const finish = finishOf(endpoint, body);
  if (said.usage === null) return { usage: null, tier: null, finish, quarantine: said.reason };
  return { usage: said.usage, tier: said.tier, finish, quarantine: null };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
