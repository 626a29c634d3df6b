import type { Endpoint } from "@slowboat/contract";
import type { ChunkRow, DispatchRow } from "@slowboat/store";
import type { LaneDeps } from "../deps.ts";
import type { Gate } from "../gate.ts";
import { heldBy, type Pass } from "./gate.ts";

/** A follower of a prefix waits so long (job ms) for the answer before it, and never for more than a quarter of its own slack. */
const FOLLOW_MS = 60_000;
const FOLLOW_SHARE = 0.25;
/** Less where it was asked for at once. */
const FOLLOW_URGENT_MS = 20_000;
/** In machine ms: under a fast clock a minute is nothing, and the call itself takes its time. */
const FOLLOW_REAL_MS = 2_000;

function followMs(deps: LaneDeps, row: ChunkRow): number {
  const floor = FOLLOW_REAL_MS * deps.time.clock.scale;
  if (row.deadlineAtMs === null) return Math.max(FOLLOW_URGENT_MS, floor);
  const slackMs = row.deadlineAtMs - deps.time.clock.job();
  return Math.min(Math.max(FOLLOW_MS, floor), Math.max(0, slackMs * FOLLOW_SHARE));
}

/** Deals rows out by turns, one of each prefix a round, so that the first ones of all prefixes set out together. */
function dealt(rows: readonly ChunkRow[]): number[] {
  const rounds = new Map<string, number>();
  const round = rows.map((row) => {
    const group = row.promptCache ?? row.attemptId;
    const n = rounds.get(group) ?? 0;
    rounds.set(group, n + 1);
    return n;
  });
  return rows.map((_, index) => index).sort((a, b) => (round[a] ?? 0) - (round[b] ?? 0) || a - b);
}

/** Rows of one dispatch, and what lets them out. */
export interface Turns {
  readonly dispatch: DispatchRow;
  readonly rows: readonly ChunkRow[];
  /** How many at a time, over all chunks of the lane. */
  readonly gate: Gate;
  readonly signal: AbortSignal;
}

/**
 * Runs `work` over rows as the lane's gate lets them in, each as soon as nobody writes its prompt prefix, and those that wait for an answer
 * give their place to others; stops handing out new ones once aborted. The first error is thrown at the end. `work` must tell its
 * pass what was answered.
 */
export async function eachInTurn(
  deps: LaneDeps,
  { dispatch, rows, gate, signal }: Turns,
  work: (row: ChunkRow, index: number, pass: Pass | null) => Promise<void>,
): Promise<void> {
  const scope = `${dispatch.account}|${dispatch.model}`;
  const waiting = dealt(rows).map((index) => {
    const row = rows[index] as ChunkRow;
    return { index, row, held: heldBy(row, scope), patientUntilMs: deps.time.clock.job() + followMs(deps, row) };
  });
  const errors: unknown[] = [];
  const take = (): { row: ChunkRow; index: number; pass: Pass | null } | null => {
    const nowMs = deps.time.clock.job();
    for (const [at, { row, index, held, patientUntilMs }] of waiting.entries()) {
      const pass = held === null ? null : deps.promptGate.enter(held, row.endpoint as Endpoint, patientUntilMs - nowMs);
      if (held !== null && pass === null) continue;
      waiting.splice(at, 1);
      return { row, index, pass };
    }
    return null;
  };
  const runner = async (): Promise<void> => {
    while (waiting.length > 0 && !signal.aborted) {
      const leave = await gate.enter();
      const next = signal.aborted ? null : take();
      if (next === null) {
        leave();
        if (waiting.length > 0 && !signal.aborted) await deps.promptGate.changed();
        continue;
      }
      await work(next.row, next.index, next.pass)
        .catch((error: unknown) => errors.push(error))
        .finally(leave);
    }
  };
  await Promise.all(Array.from({ length: Math.min(gate.width, rows.length) }, runner));
  if (errors.length > 0) throw errors[0];
}
