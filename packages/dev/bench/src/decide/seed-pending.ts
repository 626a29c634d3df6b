import { quotaKey, type Sql, saveQuota } from "@slowboat/store";

/** What the table of pending work is filled with. */
export interface PendingSpec {
  readonly rows: number;
  readonly seed: number;
  readonly nowMs: number;
  readonly tenants: number;
  /** Of the lane that the batches wait for. */
  readonly lane: string;
  readonly account: string;
  /** Places in the list are taken in turn by groups of lines. */
  readonly models: readonly string[];
}

const CHUNK = 250_000;
/** Lines that came together: one file, one tenant, one model, one deadline. */
const GROUP = 2_000;
const BATCH_JOBS = 5_000;
const INPUT_TOKENS = 250;
/** Of a hundred groups: those due now, and those that wait for room at the provider; the others ride in its batches. */
const DUE = 4;
const WAITING = 41;

/** Fresh work on the way in: `count` accepted jobs, due at once. `from` numbers them, so that no id comes twice. */
export async function insertFresh(tx: Sql, spec: PendingSpec, from: number, count: number): Promise<void> {
  await insertRows(tx, spec, { from, until: from + count, all: from + count, fresh: true });
}

/**
 * Fills `job` with pending rows as a large installation has them: lines of files and single calls of many tenants, accepted over the last day, most of them out in
 * provider batches until their latest start or waiting for enqueued tokens, a few due now. Indexes are in place, as they are where rows come one after another.
 */
export async function seedPending(sql: Sql, spec: PendingSpec, say: (done: number) => void): Promise<void> {
  for (const model of spec.models) await saveQuota(sql, { lane: spec.lane, account: spec.account, model, ...quotaOf(spec), learnedAtMs: spec.nowMs });
  for (let from = 0; from < spec.rows; from += CHUNK) {
    const until = Math.min(spec.rows, from + CHUNK);
    await insertRows(sql, spec, { from, until, all: spec.rows, fresh: false });
    say(until);
  }
  await insertBatches(sql, spec);
  await sql`vacuum (analyze) job`;
  await sql`checkpoint`;
}

/** What rides in the provider's batches fills the quota, so that who waits goes on waiting. */
const quotaOf = ({ rows, models }: PendingSpec): { limitTokens: number; toldTokens: number } => {
  const tokens = Math.ceil(((100 - DUE - WAITING) / 100) * (rows / models.length)) * INPUT_TOKENS;
  return { limitTokens: tokens, toldTokens: tokens };
};

async function insertRows(
  sql: Sql,
  spec: PendingSpec,
  rows: { readonly from: number; readonly until: number; readonly all: number; readonly fresh: boolean },
): Promise<void> {
  const { nowMs, tenants, lane, account, models, seed } = spec;
  const keys = models.map((model) => quotaKey({ lane, account, model }));
  await sql`
    insert into job (id, tenant_id, key_id, surface, batch_id, line_no, custom_id, endpoint, provider, model, baseline_model, state, body, body_blob_key, body_offset,
      body_bytes, input_tokens_est, output_tokens_est, deadline_at_ms, reuse_key, held_for, wait_reason, next_decision_at_ms, lane, attempt_id, attempts, accepted_at_ms)
    select 'job_' || id, 'ten_' || substr(md5('t' || floor(${tenants}::int * luck * luck)), 1, 32), 'key_bench', case when single then 'native' else 'openai' end,
      case when single then null else 'batch_' || md5(${seed}::int || '-b-' || grp) end, case when single then null else (no % ${GROUP}::int)::int end,
      case when single then null else 'line-' || no % ${GROUP}::int end, '/v1/chat/completions', 'openai', model, model,
      case when kind = 'out' then 'placed' else 'accepted' end,
      case when single then '{"model":"' || model || '","max_completion_tokens":200,"messages":[{"role":"user","content":"' || repeat(md5(no::text), 24) || '"}]}' end,
      case when single then null else 'bench/' || grp end, case when single then null else (no % ${GROUP}::int) * 1000 end,
      1000, ${INPUT_TOKENS}::int, 200, deadline,
      case when no % 5 = 0 then decode(md5(no::text), 'hex') end,
      case when kind = 'waits' then held end,
      case when kind = 'waits' then 'openai-batch: waits for room behind other work of this model' end,
      case kind when 'due' then accepted when 'waits' then ${nowMs}::float8 + 30000 + floor(1770000 * luck2) else deadline - 720000 end,
      case when kind = 'out' then ${lane} end, case when kind = 'out' then 'att_' || id end, case when kind = 'out' then 1 else 0 end, accepted
    from (
      select no, grp, single, luck, luck2, accepted, model, held,
        case when ${rows.fresh ? 1 : 0}::int = 1 then 'due' when single and luck3 < 0.3 then 'due' when share < ${DUE}::int then 'due' when share < ${DUE + WAITING}::int then 'waits' else 'out' end as kind,
        greatest(accepted + case when share % 3 = 0 then 172800000 else 86400000 end, ${nowMs}::float8 + 10800000) as deadline,
        lpad(to_hex(accepted::bigint), 12, '0') || '7' || substr(md5(${seed}::int || '-' || no), 1, 19) as id
      from (
        select no, no / ${GROUP}::int as grp, (no / ${GROUP}::int) % 10 = 9 as single,
          (hashint8extended(no / ${GROUP}::int, ${seed}::int) & 268435455) / 268435456.0::float8 as luck,
          (hashint8extended(no, ${seed}::int) & 268435455) / 268435456.0::float8 as luck2,
          (hashint8extended(no, ${seed + 1}::int) & 268435455) / 268435456.0::float8 as luck3,
          (hashint8extended(no / ${GROUP}::int, ${seed + 2}::int) & 268435455) % 100 as share,
          floor(${nowMs}::float8 - case when ${rows.fresh ? 1 : 0}::int = 1 then 0 else 86400000.0 * (${rows.all}::int - no) / ${rows.all}::int end) as accepted,
          (${models as string[]}::text[])[1 + (no / ${GROUP}::int) % ${models.length}::int] as model,
          (${keys}::text[])[1 + (no / ${GROUP}::int) % ${models.length}::int] as held
        from generate_series(${rows.from}::int8, ${rows.until - 1}::int8) as no
      ) a
    ) b`;
}

async function insertBatches(sql: Sql, spec: PendingSpec): Promise<void> {
  const { rows, models, lane, account, nowMs } = spec;
  const each = Math.max(1, Math.floor(((100 - DUE - WAITING) / 100) * (rows / models.length / BATCH_JOBS)));
  await sql`
    insert into dispatch (id, lane, account, endpoint, model, state, jobs, input_tokens, emulated, enqueued_real_ms, provider_ref, provider_status, next_poll_at_ms, created_at_ms, submitted_at_ms)
    select 'dsp_' || md5(model || n), ${lane}, ${account}, '/v1/chat/completions', model, 'submitted', ${BATCH_JOBS}::int, ${quotaOf(spec).limitTokens / each}::float8, true,
      0, 'batch-' || md5(model || n), 'in_progress', ${nowMs + 86_400_000}::float8, ${nowMs - 3_600_000}::float8, ${nowMs - 3_600_000}::float8
    from unnest(${models as string[]}::text[]) as model, generate_series(1, ${each}::int) as n`;
}
