import type { Sql } from "./connect.ts";

/** A tenant's alias as it is stored, without what was learned. */
export interface RouteRow {
  readonly alias: string;
  /** JSON list of model names, the baseline among them. */
  readonly candidates: string;
  readonly baseline: string;
  /** Share of the baseline's quality that is to be kept, 0 to 1. */
  readonly quality: number;
  /** Share of its requests whose other candidates are asked as well, 0 to 1. */
  readonly shadow: number;
  /** The model that compares what they say; `null` for none. */
  readonly judge: string | null;
  readonly policyVersion: number;
  readonly labels: number;
  /** Labels that no policy was trained on yet. */
  readonly fresh: number;
  readonly trainedAtMs: number | null;
  /** When its losses last betrayed that the traffic has changed. */
  readonly driftedAtMs: number | null;
}

const columns = (tx: Sql) => tx`
  alias, candidates, baseline, quality, shadow, judge, policy_version as "policyVersion", labels, fresh, trained_at_ms as "trainedAtMs",
  drifted_at_ms as "driftedAtMs"`;

/**
 * Sets an alias. What was learned for other candidates, another baseline or another quality says nothing of these and is forgotten; the labels stay, and
 * are all to be learned from anew.
 */
export async function setRoute(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly alias: string;
    readonly candidates: string;
    readonly baseline: string;
    readonly quality: number;
    readonly shadow: number;
    readonly judge: string | null;
    readonly nowMs: number;
  },
): Promise<RouteRow> {
  const same = tx`(r.candidates = excluded.candidates and r.baseline = excluded.baseline and r.quality = excluded.quality)`;
  const [row] = await tx<RouteRow[]>`
    insert into route as r (tenant_id, alias, candidates, baseline, quality, shadow, judge, created_at_ms)
    values (${input.tenantId}, ${input.alias}, ${input.candidates}, ${input.baseline}, ${input.quality}::float8, ${input.shadow}::float8, ${input.judge},
      ${input.nowMs}::float8)
    on conflict (tenant_id, alias) do update set candidates = excluded.candidates, baseline = excluded.baseline, quality = excluded.quality,
      shadow = excluded.shadow, judge = excluded.judge,
      policy = case when ${same} then r.policy end, policy_version = r.policy_version + case when ${same} then 0 else 1 end,
      fresh = case when ${same} then r.fresh else r.labels end, drift = case when ${same} then r.drift end
    returning ${columns(tx)}`;
  return row as RouteRow;
}

/** A tenant's aliases by name. */
export async function listRoutes(tx: Sql, tenantId: string): Promise<RouteRow[]> {
  return await tx<RouteRow[]>`select ${columns(tx)} from route where tenant_id = ${tenantId} order by alias`;
}

/** Takes an alias away with its labels, its pairs and what was learned; false when there is none. */
export async function deleteRoute(tx: Sql, input: { readonly tenantId: string; readonly alias: string }): Promise<boolean> {
  // In the order in which those lock them who teach it: pair, alias, labels.
  await tx`delete from route_pair where tenant_id = ${input.tenantId} and alias = ${input.alias}`;
  const gone = await tx`delete from route where tenant_id = ${input.tenantId} and alias = ${input.alias}`;
  await tx`delete from route_label where tenant_id = ${input.tenantId} and alias = ${input.alias}`;
  return gone.count > 0;
}

/** What was learned for an alias; `null` for nothing yet. */
export async function readPolicy(tx: Sql, input: { readonly tenantId: string; readonly alias: string }): Promise<Uint8Array | null> {
  const [row] = await tx<{ policy: Uint8Array | null }[]>`select policy from route where tenant_id = ${input.tenantId} and alias = ${input.alias}`;
  return row?.policy ?? null;
}

/** Keeps what was learned, unless the alias was changed since it was read; false then. */
export async function savePolicy(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly alias: string;
    readonly seenVersion: number;
    readonly policy: Uint8Array;
    readonly labels: number;
    /** How many fresh labels were seen when it was read: they are fresh no more. */
    readonly seenFresh: number;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const done = await tx`
    update route set policy = decode(${Buffer.from(input.policy).toString("hex")}, 'hex'), policy_version = policy_version + 1, labels = ${input.labels}::int,
      fresh = greatest(0, fresh - ${input.seenFresh}::int), training_until_real_ms = 0, trained_at_ms = ${input.nowMs}::float8
    where tenant_id = ${input.tenantId} and alias = ${input.alias} and policy_version = ${input.seenVersion}::int`;
  return done.count > 0;
}

/** Adds graded requests, the same one once, and forgets the oldest beyond `most`. Returns how many of those that can be learned from there are. */
export async function addRouteLabels(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly alias: string;
    readonly labels: readonly { readonly id: string; readonly label: Uint8Array }[];
    readonly most: number;
    readonly nowMs: number;
  },
): Promise<number> {
  const { tenantId, alias, labels } = input;
  await tx`select from route where tenant_id = ${tenantId} and alias = ${alias} for update`;
  await tx`
    insert into route_label (tenant_id, alias, id, label, created_at_ms)
    select ${tenantId}, ${alias}, id, decode(label, 'hex'), ${input.nowMs}::float8
    from unnest(${labels.map(({ id }) => id)}::text[], ${labels.map(({ label }) => Buffer.from(label).toString("hex"))}::text[]) as t (id, label)
    on conflict (tenant_id, alias, id) do update set label = excluded.label, created_at_ms = excluded.created_at_ms`;
  await tx`
    delete from route_label where (tenant_id, alias, id) in (
      select tenant_id, alias, id from route_label where tenant_id = ${tenantId} and alias = ${alias}
      order by created_at_ms desc, id offset ${input.most}::int)`;
  const [row] = await tx<{ n: number }[]>`
    update route set fresh = fresh + ${labels.length}::int,
      labels = least(labels + ${labels.length}::int, (select count(*)::int from route_label where tenant_id = ${tenantId} and alias = ${alias}))
    where tenant_id = ${tenantId} and alias = ${alias} returning labels as n`;
  return row?.n ?? 0;
}

/** All labels of an alias, oldest first. */
export async function readRouteLabels(tx: Sql, input: { readonly tenantId: string; readonly alias: string }): Promise<Uint8Array[]> {
  const rows = await tx<{ label: Uint8Array }[]>`
    select label from route_label where tenant_id = ${input.tenantId} and alias = ${input.alias} order by created_at_ms, id`;
  return rows.map(({ label }) => label);
}

/** A job whose first answer was not let stand. */
export interface EscalatedJob {
  readonly jobId: string;
  readonly attemptId: string;
  readonly route: string;
  readonly fallbacks: string | null;
}

/** Sends jobs back to planning for the model behind the one that answered. A job that has moved on is left alone. */
export async function escalateJobs(tx: Sql, rows: readonly EscalatedJob[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    update job j set state = 'accepted', version = j.version + 1, next_decision_at_ms = ${nowMs}::float8, route = t.route, fallbacks = t.fallbacks
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.attemptId)}::text[], ${rows.map((x) => x.route)}::text[],
      ${rows.map((x) => x.fallbacks)}::text[]) as t (id, attempt_id, route, fallbacks)
    where j.id = t.id and j.state = ${"placed"} and j.attempt_id = t.attempt_id`;
}

/** What a routed job came to. */
export interface RoutedOutcome {
  readonly route: string;
  readonly model: string;
  /** What its settlements saved by routing, less what its escalation wasted (nano-USD). */
  readonly savedNano: bigint;
  readonly paidNano: bigint;
}

const REPORTED = 20_000;

/** The newest ended jobs of an alias with what routing saved or cost them, out of the ledger. */
export async function readRouted(tx: Sql, input: { readonly tenantId: string; readonly alias: string }): Promise<RoutedOutcome[]> {
  return await tx<RoutedOutcome[]>`
    select j.route, coalesce(a.model, j.model) as model,
      coalesce(sum(case when e.account in ('saving.routing', 'waste') then e.amount_nano end), 0)::int8 as "savedNano",
      coalesce(sum(case when e.account like 'payable.%' then e.amount_nano end), 0)::int8 as "paidNano"
    from (select * from job where tenant_id = ${input.tenantId} and route is not null and route::json ->> 'alias' = ${input.alias} and state = ${"completed"}
      order by id desc limit ${REPORTED}) j
      left join attempt a on a.id = j.attempt_id left join ledger_txn t on t.job_id = j.id left join ledger_entry e on e.txn_id = t.id
    group by j.id, j.route, a.model, j.model`;
}
