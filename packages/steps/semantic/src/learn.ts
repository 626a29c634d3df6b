import type { Endpoint } from "@slowboat/contract";
import { hexOf, newId } from "@slowboat/kernel";
import { answerKeyOf, finishOf, mayKeep } from "@slowboat/reuse";
import { emptyState, learn, learnVerdict, type Neighbour, type ReuseDecision, readState, writeState } from "@slowboat/reuse-semantic";
import {
  type AnsweredAsk,
  claimAnsweredAsks,
  closeAsks,
  hasAnswered,
  insertEntries,
  lockFamily,
  type NewEntry,
  noteEnded,
  type Sql,
  saveFamily,
} from "@slowboat/store";
import type { Codes } from "@slowboat/vectors";
import { bytesOf, closeness, type SemanticParts } from "./create-semantic.ts";
import { sameAnswer, soleText } from "./same-answer.ts";

/** Questions that are learned from in one transaction. */
const CLAIM = 100;
const ENDED = 1_000;
/** An answer is not given again in its last minutes, so that none is taken away between the hit and its settlement. */
const MARGIN_MS = 600_000;
/** Entries that one API key may add in a day: whoever may ask may not fill the cache of all others. */
const QUOTA = 20_000;
const DAY_MS = 86_400_000;
/** A question that is so near to one whose answer it has is that one: nothing new is kept. */
const SAME_QUESTION = 0.999;

interface Lesson {
  readonly row: AnsweredAsk;
  readonly decision: ReuseDecision;
  readonly neighbours: readonly Neighbour[];
  readonly label: boolean;
}

interface Taught {
  readonly row: AnsweredAsk;
  readonly lesson: Lesson | null;
  readonly judgedBy: string | null;
  readonly entry: NewEntry | null;
}

/**
 * Learns from questions whose jobs have ended: compares each answer with that of the entry that lay nearest, teaches the verifier of their family, and
 * keeps the answer for others. Run by several, each takes its own. Returns how many were closed.
 */
export async function learnAnswered(parts: SemanticParts, signal: AbortSignal): Promise<number> {
  let total = 0;
  if (!(await hasAnswered(parts.sql))) return total;
  while (!signal.aborted) {
    const closed = await parts.store.begin((tx) => learnSome(tx, parts));
    total += closed;
    if (closed < CLAIM) return total;
  }
  return total;
}

/** Finds ended jobs whose question nobody told of: cancelled or refused ones, and those that settled before their question was written. */
export const noteForgotten = (parts: SemanticParts): Promise<number> => noteEnded(parts.sql, ENDED);

async function learnSome(tx: Sql, parts: SemanticParts): Promise<number> {
  const rows = await claimAnsweredAsks(tx, CLAIM);
  if (rows.length === 0) return 0;
  const nowMs = parts.clock.job();
  const taught: Taught[] = [];
  for (const row of rows) taught.push(await teach(parts, row, nowMs));
  await teachFamilies(
    tx,
    taught.flatMap(({ lesson }) => (lesson === null ? [] : [lesson])),
    nowMs,
  );
  const entries = taught.flatMap(({ entry }) => (entry === null ? [] : [entry]));
  const kept = await insertEntries(tx, entries, { quota: QUOTA, sinceMs: nowMs - DAY_MS });
  const closed = taught.map(({ row, lesson, judgedBy }) => ({ jobId: row.jobId, label: lesson?.label ?? null, judgedBy }));
  const woken = await closeAsks(tx, closed, nowMs);
  const labels = closed.filter(({ label }) => label !== null).length;
  parts.logger.info({ asks: rows.length, labels, kept: kept.length, overQuota: entries.length - kept.length, woken }, "cache-learned");
  return rows.length;
}

/** What one answered question teaches. */
async function teach(parts: SemanticParts, row: AnsweredAsk, nowMs: number): Promise<Taught> {
  const nothing: Taught = { row, lesson: null, judgedBy: null, entry: null };
  const text = keepable(row);
  if (text === null || row.attemptId === null) return nothing;
  const [vector, compared] = await Promise.all([vectorOf(parts, row), compare(parts, row, text)]);
  const lesson = compared === null ? null : lessonOf(row, compared.same);
  const answerKey = compared?.same && row.entryAnswerKey !== null ? row.entryAnswerKey : answerKeyOf(text);
  const nearest = lesson?.neighbours.find(({ id }) => id === row.entryId);
  const known = compared?.same === true && nearest !== undefined && nearest.similarity >= SAME_QUESTION;
  const expiresAtMs = Math.min((row.answerExpiresAtMs ?? 0) - MARGIN_MS, row.ttlMs === null ? Number.POSITIVE_INFINITY : nowMs + row.ttlMs);
  if (vector === null || known || expiresAtMs <= nowMs) return { ...nothing, lesson, judgedBy: compared?.by ?? null };
  const { jobId, attemptId, tenantId, keyId, endpoint, model, namespace, family, embedder } = row;
  const entry: NewEntry = {
    id: newId("cacheEntry", nowMs, parts.rng),
    ...{ tenantId, keyId, endpoint, model, namespace, family, embedder, jobId, attemptId, answerKey, expiresAtMs },
    ...bytesOf(vector),
    text: row.text,
    createdAtMs: nowMs,
  };
  return { row, lesson, judgedBy: compared?.by ?? null, entry };
}

/** The text of an answer that may be kept for others; `null` for any other: refused, cut short, a tool call, or of a tenant who keeps nothing. */
function keepable(row: AnsweredAsk): string | null {
  if (row.answer === null || row.statusCode === null || row.retentionDays === 0) return null;
  const endpoint = row.endpoint as Endpoint;
  const body = parse(row.answer);
  return mayKeep(endpoint, row.statusCode, finishOf(endpoint, body)) ? soleText(endpoint, body) : null;
}

async function vectorOf(parts: SemanticParts, row: AnsweredAsk): Promise<Codes | null> {
  if (row.codes !== null) return { codes: new Int8Array(row.codes.buffer, row.codes.byteOffset, row.codes.byteLength), scale: row.scale ?? 1 };
  return (await parts.encoder.embed([row.text]))?.[0] ?? null;
}

/** Whether the answer is that of the entry that lay nearest; `null` where there is none to compare with, or it cannot be said. */
async function compare(parts: SemanticParts, row: AnsweredAsk, text: string) {
  const theirs = row.entryAnswer === null ? null : soleText(row.endpoint as Endpoint, parse(row.entryAnswer));
  if (row.neighbours === null || theirs === null) return null;
  return await sameAnswer(text, theirs, () => closeness(parts, text, theirs));
}

function lessonOf(row: AnsweredAsk, label: boolean): Lesson | null {
  if (row.decision === null || row.neighbours === null) return null;
  return { row, decision: JSON.parse(row.decision) as ReuseDecision, neighbours: JSON.parse(row.neighbours) as Neighbour[], label };
}

/** Teaches each family its lessons in the order in which they were asked, under its lock. Families are taken in one order, so that no two learners wait for each other. */
async function teachFamilies(tx: Sql, lessons: readonly Lesson[], nowMs: number): Promise<void> {
  const families = Map.groupBy(lessons, ({ row }) => `${row.tenantId} ${hexOf(row.family)}`);
  for (const [, members] of [...families].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { tenantId, family, endpoint, model } = (members[0] as Lesson).row;
    const id = { tenantId, family: hexOf(family) };
    const held = await lockFamily(tx, { ...id, endpoint, model, state: writeState(emptyState()), nowMs });
    let state = readState(held.state);
    for (const { row, decision, neighbours, label } of members) {
      state = learn(state, { ask: { text: row.text, neighbours, allowedError: row.maxError }, decision, label, nowMs });
      if (row.verdict === true) state = learnVerdict(state, label);
    }
    await saveFamily(tx, { ...id, state: writeState(state), drifting: state.driftedAtMs !== null, nowMs });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
