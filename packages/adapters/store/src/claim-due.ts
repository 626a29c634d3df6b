import { JOB_LIVE } from "@slowboat/job";
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

const claim = (tx: Sql, { nowMs, limit }: ClaimInput) => tx<DueJob[]>`
    select id, tenant_id as "tenantId", key_id as "keyId", batch_id as "batchId", line_no as "lineNo", endpoint, provider, model,
      baseline_model as "baselineModel", state, version, body_bytes as "bodyBytes", input_tokens_est as "inputTokensEst",
      output_tokens_est as "outputTokensEst", deadline_at_ms as "deadlineAtMs", lanes_allow as "lanesAllow", lanes_deny as "lanesDeny",
      max_cost_nano as "maxCostNano", callback_url as "callbackUrl", metadata, reuse_key as "reuseKey", prefix, fallbacks, held_for as "heldFor", leader_id as "leaderId",
      next_decision_at_ms as "nextDecisionAtMs", lane, attempt_id as "attemptId", attempts, accepted_at_ms as "acceptedAtMs", semantic, delayed, admission
    from job
    where next_decision_at_ms <= ${nowMs}::float8 and state = any(${JOB_LIVE as string[]}::text[])
    order by next_decision_at_ms
    limit ${limit}
    for update skip locked`;

/**
 * Takes jobs that are due for a decision, most urgent first, and locks them until the transaction ends; rows that another
 * planner holds are passed over. The partial index `job_due` holds only jobs that wait for a decision; the states are a parameter, so that no other fits.
 */
export async function claimDue(tx: Sql, input: ClaimInput): Promise<DueJob[]> {
  return await claim(tx, input);
}

/** How Postgres runs the claim, line by line, as `explain (analyze, buffers)` tells it. It is run: the rows are locked until the transaction ends. */
export async function explainClaim(tx: Sql, input: ClaimInput): Promise<string[]> {
  const rows = await tx<{ "QUERY PLAN": string }[]>`explain (analyze, buffers) ${claim(tx, input)}`;
  return rows.map((row) => row["QUERY PLAN"]);
}
