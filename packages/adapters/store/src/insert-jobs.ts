import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";
import { insertAsks, type NewAsk } from "./semantic-asks.ts";

type JobRow = typeof schema.job.$inferSelect;

/** A job as it is born. Interactive jobs are born `placed` with their attempt; a line that can never run is born `failed`. */
export type NewJob = Omit<
  JobRow,
  | "version"
  | "leaderId"
  | "heldFor"
  | "waitReason"
  | "delayed"
  | "admission"
  | "yields"
  | "prefix"
  | "lane"
  | "attemptId"
  | "attempts"
  | "error"
  | "endedAtMs"
  | "fallbacks"
  | "semantic"
  | "route"
> &
  Partial<Pick<JobRow, "admission" | "prefix" | "lane" | "attemptId" | "attempts" | "error" | "endedAtMs" | "fallbacks" | "semantic" | "route">> & {
    /** Its question, where an answer to one that means the same may be given. */
    readonly ask?: NewAsk | null;
  };

/**
 * Inserts jobs in one statement and returns how many were new: a row whose id or batch line exists already is passed over, so
 * that an interrupted bulk insert may simply run again. Arrays travel as joined text, since unnest flattens nested arrays.
 */
export async function insertJobs(tx: Sql, rows: readonly NewJob[]): Promise<number> {
  if (rows.length === 0) return 0;
  const col = <K extends keyof NewJob>(key: K): NewJob[K][] => rows.map((row) => row[key]);
  // Few jobs ask for a class: what they bring is left out of everybody else's statement.
  const admitted = rows.some((row) => (row.admission ?? null) !== null);
  const also = admitted ? tx`, admission` : tx``;
  const joined = (key: "lanesAllow" | "lanesDeny"): (string | null)[] => rows.map((row) => row[key]?.join(",") ?? null);
  const result = await tx`
    insert into job (id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body,
      body_blob_key, body_offset, body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, lanes_allow, lanes_deny, max_cost_nano,
      callback_url, metadata, reuse_key, prefix, next_decision_at_ms, accepted_at_ms, lane, attempt_id, attempts, error, ended_at_ms, fallbacks, route${also})
    select id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body,
      body_blob_key, body_offset, body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, string_to_array(allow, ','),
      string_to_array(deny, ','), max_cost_nano, callback_url, metadata, decode(reuse_hex, 'hex'), prefix, next_decision_at_ms, accepted_at_ms, lane,
      attempt_id, attempts, error, ended_at_ms, fallbacks, route${also}
    from unnest(${col("id")}::text[], ${col("tenantId")}::text[], ${col("keyId")}::text[], ${col("surface")}::text[], ${col("batchId")}::text[],
      ${col("lineNo")}::int[], ${col("customId")}::text[], ${col("endpoint")}::text[], ${col("provider")}::text[], ${col("model")}::text[],
      ${col("baselineModel")}::text[], ${col("state")}::text[], ${col("body")}::text[], ${col("bodyBlobKey")}::text[], ${col("bodyOffset")}::float8[],
      ${col("bodyBytes")}::int[], ${col("inputTokensEst")}::int[], ${col("outputTokensEst")}::int[], ${col("deadlineAtMs")}::float8[],
      ${joined("lanesAllow")}::text[], ${joined("lanesDeny")}::text[], ${rows.map((row) => row.maxCostNano?.toString() ?? null)}::int8[],
      ${col("callbackUrl")}::text[], ${col("metadata")}::text[],
      ${rows.map((row) => (row.reuseKey === null ? null : Buffer.from(row.reuseKey).toString("hex")))}::text[],
      ${rows.map((row) => row.prefix ?? null)}::text[], ${col("nextDecisionAtMs")}::float8[], ${col("acceptedAtMs")}::float8[], ${rows.map((row) => row.lane ?? null)}::text[],
      ${rows.map((row) => row.attemptId ?? null)}::text[], ${rows.map((row) => row.attempts ?? 0)}::int[], ${rows.map((row) => row.error ?? null)}::text[],
      ${rows.map((row) => row.endedAtMs ?? null)}::float8[], ${rows.map((row) => row.fallbacks ?? null)}::text[], ${rows.map((row) => row.route ?? null)}::text[]${admitted ? tx`, ${rows.map((row) => row.admission ?? null)}::text[]` : tx``})
      as t (id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body, body_blob_key,
        body_offset, body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, allow, deny, max_cost_nano, callback_url, metadata,
        reuse_hex, prefix, next_decision_at_ms, accepted_at_ms, lane, attempt_id, attempts, error, ended_at_ms, fallbacks, route${also})
    on conflict do nothing`;
  await insertAsks(
    tx,
    rows.flatMap(({ ask, ...job }) => (ask == null ? [] : [{ ...ask, jobId: job.id }])),
  );
  return result.count;
}
