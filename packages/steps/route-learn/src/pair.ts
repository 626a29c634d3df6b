import { type Endpoint, type ShadowDraw, storedRoute } from "@slowboat/contract";
import { answerText, finishOf } from "@slowboat/reuse";
import { faultOf, type Seen, seenOf } from "@slowboat/route";
import { type DuePair, type PairAnswer, readPairAnswers, type Sql } from "@slowboat/store";
import type { PairDeps } from "./deps.ts";
import { candidateOf } from "./shadow-request.ts";

/** A pair with what is known of its request. */
export interface Pair {
  readonly row: DuePair;
  readonly body: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly seen: Seen;
  readonly draw: ShadowDraw;
  /** The candidates, the baseline first. */
  readonly models: readonly string[];
  readonly baseline: string;
  /** Errands by the candidate's name. */
  readonly shadows: Readonly<Record<string, string>>;
}

/** A candidate's answer. */
export interface CandidateAnswer {
  /** `null` where it says nothing in words. */
  readonly text: string | null;
  /** True where no check would have let it stand. */
  readonly faulty: boolean;
  readonly given: boolean;
}

/** Reads a claimed pair, or says why nothing can be learned from it. */
export function readPair(row: DuePair): Pair | string {
  const { candidates, baseline, body } = row;
  const draw = storedRoute(row.route)?.shadow;
  if (candidates === null || baseline === null) return "the alias is no more";
  if (body === null) return "its content is no longer kept";
  const value = JSON.parse(body) as Readonly<Record<string, unknown>>;
  const seen = seenOf(value);
  if (seen === null || draw === undefined) return "the request asks nothing in words";
  const models = JSON.parse(candidates) as string[];
  return { row, body, value, seen, draw, models, baseline, shadows: JSON.parse(row.shadows ?? "{}") as Record<string, string> };
}

/** What the candidates answered so far, by their names: the job's own attempts, and its errands. */
export async function answersOf(deps: Pick<PairDeps, "book">, tx: Sql, pair: Pair): Promise<ReadonlyMap<string, CandidateAnswer>> {
  const { row, models, shadows } = pair;
  const byJob = new Map(Object.entries(shadows).map(([name, id]) => [id, name]));
  const found = await readPairAnswers(tx, { tenantId: row.tenantId, jobIds: [row.jobId, ...byJob.keys()] });
  const answers = new Map<string, CandidateAnswer>();
  for (const answer of found) {
    const own = answer.jobId === row.jobId;
    const name = own ? candidateOf(deps.book, models, answer.model) : byJob.get(answer.jobId);
    const given = own && answer.given;
    // Of two answers of one model, a hedge and what it hedged, the one that the caller has.
    if (name == null || (answers.has(name) && !given)) continue;
    answers.set(name, { ...wordsOf(answer, pair.seen), given });
  }
  return answers;
}

function wordsOf({ endpoint, answer }: PairAnswer, { wantsJson, schema }: Seen): Pick<CandidateAnswer, "text" | "faulty"> {
  const body = parsed(answer);
  const text = answerText(endpoint as Endpoint, body);
  const faulty = text === null || faultOf({ text, finish: finishOf(endpoint as Endpoint, body), wantsJson, schema }) !== null;
  return { text, faulty };
}

/** A provider's answer as a value; `null` where it is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
