import { hexOf } from "@slowboat/kernel";
import { decideReuse } from "@slowboat/reuse-semantic";
import { type AskDecision, readUndecided, type StoredCodes, saveDecisions, type WaitingAsk } from "@slowboat/store";
import { type Codes, createVectorIndex, type VectorIndex } from "@slowboat/vectors";
import { bytesOf, decisionRow, type SemanticParts } from "./create-semantic.ts";
import { askJudges, judgeFor, type ToJudge } from "./judge.ts";
import { type Looked, lookNear } from "./look.ts";

/** Questions that are decided together: a fifth of a second of the encoder. */
const TOGETHER = 256;
const DIMENSIONS = 512;
/** Bytes of the vectors of questions that are being asked: 32 k of them. */
const OPEN_BYTES = 32 * 1024 * 1024;

type Decided = AskDecision & { readonly jobId: string; readonly vector: StoredCodes | null };

/** Decides on queued questions. */
export interface WaitingAsks {
  /** Decides on those that wait, and makes their jobs due; returns how many. */
  decide(signal: AbortSignal): Promise<number>;
}

/**
 * Makes the decider of queued questions. Of several that mean the same and are asked at once, as lines of one batch are, the first is asked and the
 * others wait for its answer, where the verifier would give it to them; each waits once, and no longer than its deadline allows.
 */
export function waitingAsks(parts: SemanticParts): WaitingAsks {
  const open = openQuestions();
  return {
    decide: async (signal) => {
      let total = 0;
      while (!signal.aborted) {
        const asks = await readUndecided(parts.sql, TOGETHER);
        const { rows, toJudge } = await decideSome(parts, open, asks, signal);
        await parts.store.begin(async (tx) => {
          const decided = new Set(await saveDecisions(tx, rows, parts.clock.job()));
          await askJudges(
            tx,
            parts,
            toJudge.filter(({ ask }) => decided.has(ask.jobId)),
          );
        });
        total += asks.length;
        if (asks.length < TOGETHER) return total;
      }
      return total;
    },
  };
}

async function decideSome(
  parts: SemanticParts,
  open: OpenQuestions,
  asks: readonly WaitingAsk[],
  signal: AbortSignal,
): Promise<{ rows: Decided[]; toJudge: ToJudge[] }> {
  const nowMs = parts.clock.job();
  const vectors = await vectorsOf(parts, asks, signal);
  const sought = asks.flatMap((question, at) => {
    const vector = vectors[at] ?? null;
    return vector === null ? [] : [{ question, vector }];
  });
  const looked = new Map<string, Looked>();
  const found = await lookNear(parts, sought, nowMs);
  for (const [at, { question }] of sought.entries()) looked.set(question.jobId, found[at] as Looked);
  const toJudge: ToJudge[] = [];
  const rows = asks.map((ask, at): Decided => {
    const vector = vectors[at] ?? null;
    const seen = looked.get(ask.jobId) ?? null;
    const row = decisionRow(seen, nowMs);
    const follows = seen === null || vector === null || row.kind !== "miss" ? null : open.leaderOf(ask, vector, seen, parts);
    const judge = follows === null ? judgeFor(parts.judge, ask, seen, nowMs) : null;
    if (judge !== null && seen !== null) toJudge.push({ ask, looked: seen, judge });
    return { ...row, ...(judge === null ? {} : { kind: "judging" }), follows, jobId: ask.jobId, vector: vector === null ? null : bytesOf(vector) };
  });
  return { rows, toJudge };
}

/** Vectors of questions that have none yet; `null` for all of them where the encoder cannot be had. */
async function vectorsOf(parts: SemanticParts, asks: readonly WaitingAsk[], signal: AbortSignal): Promise<(Codes | null)[]> {
  const missing = asks.filter(({ codes }) => codes === null);
  const made = await parts.encoder.embed(
    missing.map(({ text }) => text),
    signal,
  );
  const byJob = new Map(missing.map(({ jobId }, at) => [jobId, made?.[at] ?? null]));
  return asks.map(({ jobId, codes, scale }) =>
    codes === null ? (byJob.get(jobId) ?? null) : { codes: new Int8Array(codes.buffer, codes.byteOffset, codes.byteLength), scale: scale ?? 1 },
  );
}

/** Questions that are being asked, by their vectors. */
interface OpenQuestions {
  /** The job that is asked a question which means the same, where its answer would be given; else this question is open itself from now on. */
  leaderOf(ask: WaitingAsk, vector: Codes, seen: Looked, parts: SemanticParts): string | null;
}

const OPEN_MAX = 30_000;

function openQuestions(): OpenQuestions {
  let index: VectorIndex | null = null;
  const asked = new Map<number, WaitingAsk>();
  let next = 0;
  return {
    leaderOf: (ask, vector, { state, ask: { allowedError } }, parts) => {
      if (index === null || asked.size > OPEN_MAX) {
        index = createVectorIndex({ dims: DIMENSIONS, maxBytes: OPEN_BYTES });
        asked.clear();
      }
      const space = `${ask.tenantId} ${hexOf(ask.namespace)} ${ask.embedder}`;
      const [near] = index.topK(space, vector, 1);
      const leader = near === undefined ? undefined : asked.get(near.id);
      // A question that has waited once is asked: what it waited for was not its answer.
      if (near !== undefined && leader !== undefined && leader.jobId !== ask.jobId && !ask.followed) {
        const neighbour = { id: leader.jobId, text: leader.text, similarity: near.similarity, answerKey: leader.jobId, ageMs: 0, hits: 0 };
        const would = decideReuse(state, { text: ask.text, neighbours: [neighbour], allowedError }, parts.rng);
        if (would.kind !== "miss") return leader.jobId;
      }
      asked.set(next, ask);
      index.upsert(space, next++, vector);
      return null;
    },
  };
}
