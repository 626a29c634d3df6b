import type { Sql } from "./connect.ts";
import type * as schema from "./schema.ts";

export type AttemptRow = typeof schema.attempt.$inferSelect;

/** An attempt as it is born: its intent, committed before anything is sent. */
export type NewAttempt = Pick<
  AttemptRow,
  | "id"
  | "jobId"
  | "tenantId"
  | "seq"
  | "lane"
  | "account"
  | "dispatchId"
  | "role"
  | "decision"
  | "estimateNano"
  | "pricesVersion"
  | "emulated"
  | "createdAtMs"
> & {
  /** `intent` for queued work, `sending` where the same commit opens the way to the socket, `answered` for a reuse hit. */
  readonly state: "intent" | "sending" | "answered";
  /** The attempt whose answer a reuse hit gives again. */
  readonly sourceAttemptId?: string | null;
  /** Model and endpoint where they are not the job's own. */
  readonly model?: string | null;
  readonly endpoint?: string | null;
};

/** Inserts attempts in one statement. `realMs` stamps those that are born answered, which a second one hands to settlement. */
export async function insertAttempts(tx: Sql, rows: readonly NewAttempt[], realMs: number): Promise<void> {
  if (rows.length === 0) return;
  const col = <K extends keyof NewAttempt>(key: K): NewAttempt[K][] => rows.map((row) => row[key]);
  await tx`
    insert into attempt (id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, estimate_nano, prices_version,
      emulated, source_attempt_id, model, endpoint, created_at_ms, sent_at_ms, answered_at_ms, answered_real_ms)
    select id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, estimate_nano, prices_version, emulated, source_attempt_id,
      model, endpoint, created_at_ms, case when state = 'sending' then created_at_ms end, case when state = 'answered' then created_at_ms end,
      case when state = 'answered' then ${realMs}::float8 end
    from unnest(${col("id")}::text[], ${col("jobId")}::text[], ${col("tenantId")}::text[], ${col("seq")}::int[], ${col("lane")}::text[],
      ${col("account")}::text[], ${col("dispatchId")}::text[], ${col("state")}::text[], ${col("role")}::text[], ${col("decision")}::text[],
      ${rows.map((row) => row.estimateNano?.toString() ?? null)}::int8[], ${col("pricesVersion")}::text[], ${col("emulated").map(String)}::text[]::boolean[],
      ${rows.map((row) => row.sourceAttemptId ?? null)}::text[], ${rows.map((row) => row.model ?? null)}::text[],
      ${rows.map((row) => row.endpoint ?? null)}::text[], ${col("createdAtMs")}::float8[])
      as t (id, job_id, tenant_id, seq, lane, account, dispatch_id, state, role, decision, estimate_nano, prices_version, emulated, source_attempt_id, model,
        endpoint, created_at_ms)`;
  const answered = rows.filter((row) => row.state === "answered");
  if (answered.length > 0)
    await tx`insert into unsettled (attempt_id, bytes) select id, 0 from unnest(${answered.map((row) => row.id)}::text[]) as t (id)`;
}
