import type { Rng } from "@slowboat/kernel";
import type { Question, SemanticHit } from "@slowboat/reuse";
import { type Clock, groupCommit, type Logger } from "@slowboat/runtime";
import { type AskDecision, anySemantic, type LoggedAsk, logAsks, type Store } from "@slowboat/store";
import { type Codes, createVectorIndex } from "@slowboat/vectors";
import { createEncoder, type Encoder } from "./encoder.ts";
import { createFamilies } from "./families.ts";
import type { JudgeDesk } from "./judge-desk.ts";
import { type LookDeps, type Looked, lookNear } from "./look.ts";
import { createSpaces, type Spaces } from "./spaces.ts";

/** What became of a question that somebody waits for. */
export interface Asked {
  /** `null` for a question that is asked anew. */
  readonly hit: SemanticHit | null;
  /** Writes question and decision down beside the job; `given` is false where the hit was not used after all. Resolves when it is written. */
  log(jobId: string, given: boolean): Promise<void>;
}

/** The parts that one process shares. */
export interface SemanticParts extends LookDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly encoder: Encoder;
  readonly spaces: Spaces;
  /** Absent where no judge is asked: a process that only serves callers who wait. */
  readonly judge: JudgeDesk | undefined;
}

/** What a process is told about semantic reuse. */
export interface SemanticSettings {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  /** Where the encoder's converted model lies. */
  readonly modelDir: string;
  /** Bytes of vectors that are held in memory. */
  readonly memoryBytes: number;
  readonly judge?: JudgeDesk;
}

const DIMENSIONS = 512;

/** Makes the parts; nothing is read, loaded or listened to before the first question. */
export function openSemantic({ store, clock, rng, logger, modelDir, memoryBytes, judge }: SemanticSettings): SemanticParts {
  const index = createVectorIndex({ dims: DIMENSIONS, maxBytes: memoryBytes });
  const spaces = createSpaces({ store, index, clock, logger });
  const encoder = createEncoder({ cacheDir: modelDir, logger });
  return { store, sql: store.sql, clock, rng, logger, encoder, spaces, families: createFamilies(store.sql), judge };
}

/** Characters of a text that are compared by its vector; the encoder reads no more. */
const COMPARED_CHARS = 4_000;

/** Cosine of the vectors of two texts by their first characters; loads the encoder where nobody has. `null` where it cannot be had. */
export async function closeness({ encoder }: Pick<SemanticParts, "encoder">, a: string, b: string): Promise<number | null> {
  const [left, right] = (await encoder.embed([a.slice(0, COMPARED_CHARS), b.slice(0, COMPARED_CHARS)])) ?? [];
  return left === undefined || right === undefined ? null : cosine(left.codes, right.codes);
}

function cosine(a: Int8Array, b: Int8Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : dot / Math.sqrt(aa * bb);
}

/** Loads the encoder at a start where some tenant will need it, so that its first questions do not find it missing. */
export async function warmSemantic({ sql, encoder, logger }: SemanticParts): Promise<void> {
  try {
    if (await anySemantic(sql)) await encoder.start();
  } catch (err) {
    logger.warn({ err }, "encoder-not-warmed");
  }
}

/** Ends what was begun. */
export async function closeSemantic({ encoder, spaces }: SemanticParts): Promise<void> {
  await Promise.all([encoder.stop(), spaces.stop()]);
}

/** Machine ms that a caller who waits is kept waiting for a vector. */
const VECTOR_PATIENCE_MS = 250;
const LOG_ITEMS = 256;

/** Looks up questions whose callers wait. */
export interface SemanticCalls {
  ask(question: Question): Promise<Asked>;
}

/**
 * Makes the look-up for calls. While the encoder is being loaded, questions are asked anew and learned from later: nobody waits for it. A look that
 * fails is a miss.
 */
export function semanticCalls(parts: SemanticParts): SemanticCalls {
  const { store, clock, logger, encoder } = parts;
  const write = groupCommit<LoggedAsk, null>(
    async (rows) => {
      await logAsks(store.sql, rows);
      return rows.map(() => null);
    },
    { maxItems: LOG_ITEMS, maxInFlight: 1 },
  );
  const look = async (question: Question): Promise<{ vector: Codes | null; looked: Looked | null }> => {
    if (!encoder.ready()) {
      void encoder.start();
      return { vector: null, looked: null };
    }
    const [vector = null] = (await encoder.embed([question.text], AbortSignal.timeout(VECTOR_PATIENCE_MS))) ?? [];
    if (vector === null) return { vector: null, looked: null };
    const [looked = null] = await lookNear(parts, [{ question, vector }], clock.job());
    return { vector, looked };
  };
  return {
    ask: async (question) => {
      const { vector, looked } = await look(question).catch((err: unknown) => {
        logger.warn({ err }, "cache-look-failed");
        return { vector: null, looked: null };
      });
      const hit = looked === null ? null : hitOf(looked);
      const nowMs = clock.job();
      return {
        hit,
        log: async (jobId, given) => {
          const decided = decisionRow(looked, nowMs, hit !== null && !given);
          const row = { ...question, jobId, createdAtMs: nowMs, vector: vector === null ? null : bytesOf(vector), decided };
          await write(row).catch((err: unknown) => logger.warn({ err, jobId }, "cache-log-failed"));
        },
      };
    },
  };
}

const hitOf = ({ decision, entry }: Looked): SemanticHit | null => {
  if (decision.kind !== "reuse" || entry === null) return null;
  const { score, threshold, propensity, reasons } = decision;
  return { entryId: entry.id, jobId: entry.jobId, attemptId: entry.attemptId, score, threshold, propensity, reasons };
};

/** Codes as Postgres takes them. */
export const bytesOf = ({ codes, scale }: Codes): { codes: Uint8Array; scale: number } => ({
  codes: new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength),
  scale,
});

/**
 * A decision as it is written down. Of a reuse nothing can be learned, since nobody asked anew, so its neighbours are not kept. One that was not used
 * (its answer was no more, or its caller ruled the cache out) is a miss that teaches nothing.
 */
export function decisionRow(looked: Looked | null, nowMs: number, unused = false): AskDecision {
  if (looked === null) return { kind: "miss", entryId: null, decision: "{}", neighbours: null, follows: null, decidedAtMs: nowMs };
  const { ask, decision, entry } = looked;
  const kind = unused ? "miss" : decision.kind;
  return {
    kind,
    entryId: entry?.id ?? null,
    decision: JSON.stringify(decision),
    neighbours: entry === null || decision.kind === "reuse" ? null : JSON.stringify(ask.neighbours),
    follows: null,
    decidedAtMs: nowMs,
  };
}
