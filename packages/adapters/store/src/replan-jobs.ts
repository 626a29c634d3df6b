import { JOB_LIVE } from "@slowboat/job";
import type { Sql } from "./connect.ts";

/** When a job is to be looked at again; `leaderId` names the job whose answer it waits for. */
export interface ReplannedJob {
  readonly jobId: string;
  readonly atMs: number | null;
  readonly leaderId?: string | null;
  /** The priming batch whose end makes it due; any other look lets go of one it no longer waits for. */
  readonly heldFor?: string | null;
  /** Why it waits, in words; any other look takes it back. */
  readonly waitReason?: string | null;
  /** What of the delay is written down; absent where nothing new is. */
  readonly delayed?: string;
  /** Whether it would have been late in real time, too, where that is told now. */
  readonly yields?: boolean | null;
}

/** Sets when claimed jobs are due next, leaving their state. */
export async function deferJobs(tx: Sql, rows: readonly ReplannedJob[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update job j set next_decision_at_ms = t.at_ms, leader_id = coalesce(t.leader_id, j.leader_id), held_for = t.held_for,
      wait_reason = t.wait_reason, delayed = coalesce(t.delayed, j.delayed), yields = coalesce(t.yields, j.yields)
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.atMs)}::float8[], ${rows.map((x) => x.leaderId ?? null)}::text[],
      ${rows.map((x) => x.heldFor ?? null)}::text[], ${rows.map((x) => x.waitReason ?? null)}::text[],
      ${rows.map((x) => x.delayed ?? null)}::text[], ${rows.map((x) => (x.yields == null ? null : String(x.yields)))}::text[]::boolean[])
        as t (id, at_ms, leader_id, held_for, wait_reason, delayed, yields)
    where j.id = t.id and j.state = any(${JOB_LIVE as string[]}::text[])`;
}

/**
 * Sends placed jobs whose current attempt ended without an answer back to planning. A job that has moved on is left alone, and no pause
 * outlasts half of what is left until the deadline, nor the latest start that the job was placed with. After the deadline there is nothing to hurry for, and a
 * lane that refuses is not asked without a pause.
 */
export async function replanJobs(
  tx: Sql,
  rows: readonly { readonly jobId: string; readonly attemptId: string; readonly atMs: number }[],
  nowMs: number,
): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update job j set state = 'accepted', version = j.version + 1,
      next_decision_at_ms = least(t.at_ms, case when j.next_decision_at_ms > ${nowMs}::float8 then j.next_decision_at_ms end,
        case when j.deadline_at_ms > ${nowMs}::float8 then (${nowMs}::float8 + j.deadline_at_ms) / 2 end)
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.attemptId)}::text[], ${rows.map((x) => x.atMs)}::float8[]) as t (id, attempt_id, at_ms)
    where j.id = t.id and j.state = ${"placed"} and j.attempt_id = t.attempt_id`;
}
