import type postgres from "postgres";
import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

/** A job as the planner sees it: everything but its body. */
export type DueJob = Omit<
  typeof schema.job.$inferSelect,
  "body" | "error" | "endedAtMs" | "surface" | "customId" | "bodyOffset" | "bodyBlobKey" | "waitReason"
>;

interface ClaimInput {
  readonly nowMs: number;
  readonly limit: number;
}

/** Rescues take at most half of a claim, single jobs what they leave; lines of files take the rest, or a quarter where there is less: no kind waits for all of another. */
const RESCUES = 1 / 2;
const LINES = 1 / 4;

type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** What may be due, by kind. Each has an index of its own, `job_due_*`, whose condition is told in the same words. */
export const dueKinds = (tx: Sql): Readonly<Record<"rescue" | "single" | "line", Fragment>> => ({
  rescue: tx`state = 'placed'`,
  single: tx`state = 'accepted' and batch_id is null`,
  line: tx`state = 'accepted' and batch_id is not null`,
});

/** The first of one kind that are due, locked. */
const first = (tx: Sql, { nowMs, kind, limit }: { readonly nowMs: number; readonly kind: Fragment; readonly limit: Fragment }) => tx`
    select id, tenant_id as "tenantId", key_id as "keyId", batch_id as "batchId", line_no as "lineNo", endpoint, provider, model,
      baseline_model as "baselineModel", state, version, body_bytes as "bodyBytes", input_tokens_est as "inputTokensEst",
      output_tokens_est as "outputTokensEst", deadline_at_ms as "deadlineAtMs", lanes_allow as "lanesAllow", lanes_deny as "lanesDeny",
      max_cost_nano as "maxCostNano", callback_url as "callbackUrl", metadata, reuse_key as "reuseKey", prefix, fallbacks, route, held_for as "heldFor", leader_id as "leaderId",
      next_decision_at_ms as "nextDecisionAtMs", lane, attempt_id as "attemptId", attempts, accepted_at_ms as "acceptedAtMs", semantic, delayed, admission, yields
    from job
    where ${kind} and next_decision_at_ms <= ${nowMs}::float8
    order by next_decision_at_ms
    limit ${limit}
    for update skip locked`;

const claim = (tx: Sql, { nowMs, limit }: ClaimInput) => {
  const { rescue, single, line } = dueKinds(tx);
  const left = tx`${limit}::int - (select count(*) from rescues)`;
  return tx<DueJob[]>`
    with rescues as materialized (${first(tx, { nowMs, kind: rescue, limit: tx`${rescuesOf(limit)}::int` })}),
      singles as materialized (${first(tx, { nowMs, kind: single, limit: tx`(${left})` })}),
      lines as materialized (${first(tx, { nowMs, kind: line, limit: tx`greatest(${linesOf(limit)}::int, ${left} - (select count(*) from singles))` })})
    select * from rescues union all select * from singles union all select * from lines`;
};

const rescuesOf = (limit: number): number => Math.ceil(limit * RESCUES);
const linesOf = (limit: number): number => Math.ceil(limit * LINES);

/** Jobs that were claimed, and whether more of some kind were due. */
export interface Claim {
  readonly jobs: DueJob[];
  readonly more: boolean;
}

/**
 * Takes jobs that are due for a decision, up to `limit` and a quarter, and locks them until the transaction ends: those to be rescued, then single jobs, then lines of files, of each kind the
 * longest due first. Rows that another planner holds are passed over.
 */
export async function claimDue(tx: Sql, input: ClaimInput): Promise<Claim> {
  const jobs = [...(await claim(tx, input))];
  const rescues = jobs.filter((job) => job.state === "placed").length;
  return { jobs, more: jobs.length >= input.limit || rescues >= rescuesOf(input.limit) };
}

/** How Postgres runs the claim, line by line, as `explain (analyze, buffers)` tells it. It is run: the rows are locked until the transaction ends. */
export async function explainClaim(tx: Sql, input: ClaimInput): Promise<string[]> {
  const rows = await tx<{ "QUERY PLAN": string }[]>`explain (analyze, buffers) ${claim(tx, input)}`;
  return rows.map((row) => row["QUERY PLAN"]);
}
