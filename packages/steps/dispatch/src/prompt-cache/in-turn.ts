import type { Endpoint } from "@slowboat/contract";
import { dueAtMs, type FairTurn, latestStartMs } from "@slowboat/plan";
import type { ChunkRow, DispatchRow } from "@slowboat/store";
import type { LaneDeps } from "../deps.ts";
import type { Gate } from "../gate.ts";
import { heldBy, type Pass } from "./gate.ts";

/** A follower of a prefix waits so long (job ms) for the answer before it, once that was asked for, and never for more than a quarter of its own slack. */
const ANSWER_MS = 60_000;
const FOLLOW_SHARE = 0.25;
/** Less where it was asked for at once. */
const ANSWER_URGENT_MS = 20_000;
/** In machine ms: under a fast clock a minute is nothing, and the call itself takes its time. */
const ANSWER_REAL_MS = 10_000;
const ANSWER_URGENT_REAL_MS = 2_000;

/** How long a row waits for others of its prefix in all, and for an answer that was asked for. */
function patienceOf(deps: LaneDeps, row: ChunkRow): { readonly waitMs: number; readonly answerMs: number } {
  const { scale } = deps.time.clock;
  if (row.deadlineAtMs === null) {
    const answerMs = Math.max(ANSWER_URGENT_MS, ANSWER_URGENT_REAL_MS * scale);
    return { waitMs: answerMs, answerMs };
  }
  const slackMs = row.deadlineAtMs - deps.time.clock.job();
  return { waitMs: Math.max(0, slackMs * FOLLOW_SHARE), answerMs: Math.max(ANSWER_MS, ANSWER_REAL_MS * scale) };
}

/** True for guaranteed work whose rescue has begun. */
const isLate = (row: Pick<ChunkRow, "role">): boolean => row.role === "rescue" || row.role === "hedge";

/**
 * Deals rows out by turns: those that are being rescued first and those that yield last, one of each prefix a round, so that the first ones of all prefixes set out together,
 * and in a round the one that must start first.
 */
export function dealt(rows: readonly ChunkRow[]): number[] {
  const rounds = new Map<string, number>();
  return rows
    .map((row, index) => {
      const { yields, urgent, dueAtMs } = turnOf(row);
      return { row, index, dueAtMs, rank: yields === true ? 2 : urgent ? 0 : 1 };
    })
    .sort((a, b) => a.rank - b.rank || a.dueAtMs - b.dueAtMs || a.index - b.index)
    .map((one) => {
      const group = `${one.rank} ${one.row.promptCache ?? one.row.attemptId}`;
      const round = rounds.get(group) ?? 0;
      rounds.set(group, round + 1);
      return { ...one, round };
    })
    .sort((a, b) => a.rank - b.rank || a.round - b.round)
    .map(({ index }) => index);
}

/** Rows of one dispatch, and what lets them out. */
export interface Turns {
  readonly dispatch: DispatchRow;
  readonly rows: readonly ChunkRow[];
  /** How many at a time, over all chunks of the lane. */
  readonly gate: Gate;
  readonly signal: AbortSignal;
}

/** What a row is charged where its lane is scarce: the tokens that it was estimated to take. */
export const workOf = (row: Pick<ChunkRow, "inputTokensEst" | "outputTokensEst">): number => row.inputTokensEst + row.outputTokensEst;

/**
 * How a row waits for its turn: by its latest start, or a day for work without a deadline, whether its rescue has begun, whether it would have been late in real time, too,
 * and that it is too late once its deadline has passed.
 */
export const turnOf = (row: ChunkRow): FairTurn => ({
  tenant: row.tenantId,
  work: workOf(row),
  dueAtMs: row.deadlineAtMs === null ? dueAtMs(row) : latestStartMs({ outputTokens: row.outputTokensEst, deadlineAtMs: row.deadlineAtMs }),
  lateAtMs: row.deadlineAtMs ?? undefined,
  yields: row.yields === true,
  urgent: isLate(row),
});

/**
 * Runs `work` over rows as the lane's gate lets them in, each as soon as nobody writes its prompt prefix, and those that wait for an answer
 * give their place to others; stops handing out new ones once aborted. Tenants that share the chunk wait each for themselves. The first error is thrown at the
 * end. `work` must tell its pass what was answered.
 */
export async function eachInTurn(
  deps: LaneDeps,
  turns: Turns,
  work: (row: ChunkRow, index: number, pass: Pass | null) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const order = dealt(turns.rows).map((index) => ({ index, row: turns.rows[index] as ChunkRow }));
  const byTenant = Map.groupBy(order, ({ row }) => row.tenantId);
  await Promise.all([...byTenant.values()].map((rows) => tenantInTurn(deps, turns, rows, { work, errors })));
  if (errors.length > 0) throw errors[0];
}

async function tenantInTurn(
  deps: LaneDeps,
  { dispatch, gate, signal }: Turns,
  rows: readonly { readonly index: number; readonly row: ChunkRow }[],
  to: { readonly work: (row: ChunkRow, index: number, pass: Pass | null) => Promise<void>; readonly errors: unknown[] },
): Promise<void> {
  const scope = `${dispatch.account}|${dispatch.model}`;
  const nowMs = deps.time.clock.job();
  const waiting = rows.map(({ index, row }) => {
    const { waitMs, answerMs } = patienceOf(deps, row);
    return { index, row, held: heldBy(row, scope), patientUntilMs: nowMs + waitMs, answerMs };
  });
  const take = (): { row: ChunkRow; index: number; pass: Pass | null } | null => {
    const atMs = deps.time.clock.job();
    for (const [at, { row, index, held, patientUntilMs, answerMs }] of waiting.entries()) {
      const pass = held === null ? null : deps.promptGate.enter(held, row.endpoint as Endpoint, patientUntilMs - atMs, answerMs);
      if (held !== null && pass === null) continue;
      waiting.splice(at, 1);
      return { row, index, pass };
    }
    return null;
  };
  let asking = 0;
  /** Of the rows that nobody asks for yet the first: as many differ in line as runners wait. */
  const nextAsked = (): ChunkRow | undefined => waiting[Math.min(asking, waiting.length - 1)]?.row;
  const runner = async (): Promise<void> => {
    for (let first = nextAsked(); first !== undefined && !signal.aborted; first = nextAsked()) {
      const asked = turnOf(first);
      asking++;
      const leave = await gate.enter(asked);
      asking--;
      const next = signal.aborted ? null : take();
      // Another row may go than the one that stood first, or none.
      gate.correct(asked.tenant, (next === null ? 0 : workOf(next.row)) - asked.work);
      if (next === null) {
        leave();
        if (waiting.length > 0 && !signal.aborted) await deps.promptGate.changed();
        continue;
      }
      await to
        .work(next.row, next.index, next.pass)
        .catch((error: unknown) => to.errors.push(error))
        .finally(leave);
    }
  };
  // Twice as many as may run: a tenant with work left always has somebody in line, and so keeps its place.
  await Promise.all(Array.from({ length: Math.min(2 * gate.width, rows.length) }, runner));
}
