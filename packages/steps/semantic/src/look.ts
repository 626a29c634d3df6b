import { hexOf, type Rng } from "@slowboat/kernel";
import type { Question } from "@slowboat/reuse";
import { decideReuse, type Neighbour, type ReuseAsk, type ReuseDecision, type ReuseState } from "@slowboat/reuse-semantic";
import { type NearEntry, readNear, type Sql } from "@slowboat/store";
import type { Codes, Near } from "@slowboat/vectors";
import type { Families } from "./families.ts";
import type { Spaces } from "./spaces.ts";

/** What a look stands on. */
export interface LookDeps {
  readonly sql: Sql;
  readonly spaces: Spaces;
  readonly families: Families;
  readonly rng: Rng;
}

/** What was found near a question and decided on it. */
export interface Looked {
  readonly ask: ReuseAsk;
  readonly decision: ReuseDecision;
  /** The entry that is given or compared with; `null` where nothing lay near. */
  readonly entry: NearEntry | null;
  readonly state: ReuseState;
}

/** What is looked for: the part of a question that tells where, and its vector. */
export interface Sought {
  readonly question: Pick<Question, "tenantId" | "namespace" | "family" | "embedder" | "text" | "maxError">;
  readonly vector: Codes;
}

/** Entries that are looked at: their agreement is evidence. */
const NEIGHBOURS = 8;

/**
 * Looks for entries near questions and decides on each. The vectors are searched in memory; what was found is read from the truth, which alone says what
 * is still there, of this tenant and in this namespace. One read a namespace, however many questions.
 */
export async function lookNear(deps: LookDeps, sought: readonly Sought[], nowMs: number): Promise<Looked[]> {
  const { sql, spaces, families, rng } = deps;
  const found = await Promise.all(
    sought.map(async ({ question, vector }) => ({
      near: (await spaces.nearest(question, vector, NEIGHBOURS)) ?? [],
      state: await families.stateOf(question),
    })),
  );
  const rows = await readRows(sql, sought, found, nowMs);
  return sought.map(({ question }, at) => {
    const { near, state } = found[at] as { near: Near[]; state: ReuseState };
    const entries = near.flatMap(({ id, similarity }) => {
      const row = rows.get(id);
      if (row === undefined) spaces.forget(question, id);
      return row === undefined ? [] : [{ row, similarity }];
    });
    const neighbours = entries.map(({ row, similarity }) => neighbourOf(row, similarity, nowMs));
    const ask: ReuseAsk = { text: question.text, neighbours, allowedError: question.maxError };
    const decision = decideReuse(state, ask, rng);
    const chosen = decision.id ?? decision.candidate;
    return { ask, decision, entry: entries.find(({ row }) => row.id === chosen)?.row ?? null, state };
  });
}

async function readRows(
  sql: Sql,
  sought: readonly Sought[],
  found: readonly { readonly near: readonly Near[] }[],
  nowMs: number,
): Promise<Map<number, NearEntry>> {
  const spaces = new Map<string, { readonly tenantId: string; readonly namespace: Uint8Array; readonly numbers: Set<number> }>();
  for (const [at, { question }] of sought.entries()) {
    const name = `${question.tenantId} ${hexOf(question.namespace)}`;
    const space = spaces.get(name) ?? { ...question, numbers: new Set<number>() };
    spaces.set(name, space);
    for (const { id } of found[at]?.near ?? []) space.numbers.add(id);
  }
  const read = await Promise.all([...spaces.values()].map(({ numbers, ...space }) => readNear(sql, { ...space, numbers: [...numbers], nowMs })));
  return new Map(read.flat().map((row) => [row.no, row]));
}

const neighbourOf = (row: NearEntry, similarity: number, nowMs: number): Neighbour => ({
  id: row.id,
  text: row.text,
  similarity,
  answerKey: row.answerKey,
  ageMs: Math.max(0, nowMs - row.createdAtMs),
  hits: row.hits,
});
