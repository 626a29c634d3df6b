import type { Sql } from "./connect.ts";

/** A synchronous call that must happen once. `claimant` is the id of the request that runs it; it stands for the call until its job does. */
export interface CallClaim {
  readonly tenantId: string;
  readonly route: string;
  readonly key: string;
  readonly claimant: string;
}

/** Whose a call is after the claim: ours, or another request's, which has a job as soon as it has come to something. */
export type CallOwner = { readonly kind: "mine" } | { readonly kind: "other"; readonly fingerprint: string; readonly jobId: string | null };

/**
 * Claims a call until `untilRealMs`. A claim that is older than `ttlMs`, or whose claimant has died in the middle of the same request, is
 * taken over.
 */
export async function claimCall(
  tx: Sql,
  claim: CallClaim & {
    readonly fingerprint: string;
    readonly nowMs: number;
    readonly realMs: number;
    readonly untilRealMs: number;
    readonly ttlMs: number;
  },
): Promise<CallOwner> {
  const { tenantId, route, key, claimant, fingerprint, nowMs, realMs, untilRealMs } = claim;
  // A row that goes away between the two statements is claimed at the second look.
  for (;;) {
    const taken = await tx`
      insert into idempotency as i (tenant_id, route, key, fingerprint, response_id, created_at_ms, lease_until_real_ms)
      values (${tenantId}, ${route}, ${key}, ${fingerprint}, ${claimant}, ${nowMs}, ${untilRealMs})
      on conflict (tenant_id, route, key) do update set fingerprint = excluded.fingerprint, response_id = excluded.response_id,
        created_at_ms = excluded.created_at_ms, lease_until_real_ms = excluded.lease_until_real_ms
      where i.created_at_ms < ${nowMs - claim.ttlMs}::float8 or (i.fingerprint = excluded.fingerprint and i.lease_until_real_ms < ${realMs}::float8)
      returning 1`;
    if (taken.length > 0) return { kind: "mine" };
    const rows = await tx<{ fingerprint: string; jobId: string | null }[]>`
      select fingerprint, case when lease_until_real_ms is null then response_id end as "jobId" from idempotency
      where tenant_id = ${tenantId} and route = ${route} and key = ${key}`;
    const [row] = rows;
    if (row) return { kind: "other", ...row };
  }
}

const mine = (tx: Sql, claim: CallClaim) => tx`
  tenant_id = ${claim.tenantId} and route = ${claim.route} and key = ${claim.key} and response_id = ${claim.claimant}`;

/** Puts the end of a claim off; false when it is another's by now. */
export async function renewCall(tx: Sql, claim: CallClaim, untilRealMs: number): Promise<boolean> {
  return (await tx`update idempotency set lease_until_real_ms = ${untilRealMs} where ${mine(tx, claim)}`).count === 1;
}

/** Notes the job that a call has come to: from now on the key stands for it. */
export async function finishCall(tx: Sql, claim: CallClaim, jobId: string): Promise<void> {
  await tx`update idempotency set response_id = ${jobId}, lease_until_real_ms = null where ${mine(tx, claim)}`;
}

/** Gives a claim up: the call came to nothing, and the key is free for another try. */
export async function releaseCall(tx: Sql, claim: CallClaim): Promise<void> {
  await tx`delete from idempotency where ${mine(tx, claim)}`;
}

/** What a synchronous call came to: its answer (`null` when it is no longer kept), or why it failed as stored JSON. */
export interface CallOutcome {
  readonly state: string;
  readonly error: string | null;
  readonly lane: string | null;
  readonly emulated: boolean;
  readonly statusCode: number | null;
  readonly requestId: string | null;
  readonly answer: string | null;
  /** The endpoint that was called, and the one that was asked where that is another; else `null`. */
  readonly endpoint: string;
  readonly otherEndpoint: string | null;
  readonly otherModel: string | null;
  readonly answeredAtMs: number | null;
}

/** Reads what a tenant's call came to; for one that was answered again from another job's answer, that answer. */
export async function readCallOutcome(tx: Sql, input: { readonly tenantId: string; readonly jobId: string }): Promise<CallOutcome | null> {
  const rows = await tx<CallOutcome[]>`
    select j.state, j.error, coalesce(a.lane, j.lane) as lane, coalesce(a.emulated, false) as emulated, s.status_code as "statusCode",
      s.request_id as "requestId", s.answer, j.endpoint, s.endpoint as "otherEndpoint", s.model as "otherModel", s.answered_at_ms as "answeredAtMs"
    from job j left join attempt a on a.job_id = j.id and a.state in ('answered', 'settled')
      left join attempt s on s.id = coalesce(a.source_attempt_id, a.id)
    where j.id = ${input.jobId} and j.tenant_id = ${input.tenantId} order by a.seq desc nulls last limit 1`;
  return rows[0] ?? null;
}
