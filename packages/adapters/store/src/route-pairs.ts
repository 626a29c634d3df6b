import type { Sql } from "./connect.ts";

/** Where a pair stands: to be asked, asked of the other candidates, asked of a judge, with a word of the user's to be taken in; or ended. */
export type PairState = "new" | "shadowed" | "judged" | "said" | "labelled" | "dropped";

/** A routed job whose answer is to be compared. */
export interface NewPair {
  readonly jobId: string;
  readonly tenantId: string;
  readonly alias: string;
  /** How likely the dice were to draw it. */
  readonly chance: number;
}

/** Keeps drawn jobs of aliases that there are; one that is kept already stays as it is. */
export async function insertPairs(tx: Sql, rows: readonly NewPair[], nowMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into route_pair (job_id, tenant_id, alias, chance, state, due_at_ms, created_at_ms)
    select t.job_id, t.tenant_id, t.alias, t.chance, 'new', ${nowMs}::float8, ${nowMs}::float8
    from unnest(${rows.map((x) => x.jobId)}::text[], ${rows.map((x) => x.tenantId)}::text[], ${rows.map((x) => x.alias)}::text[],
      ${rows.map((x) => x.chance)}::float8[]) as t (job_id, tenant_id, alias, chance)
      join route r on r.tenant_id = t.tenant_id and r.alias = t.alias
    on conflict (job_id) do nothing`;
}

/**
 * Keeps what a user thinks of a job's answer (0 to 1): with its pair, which takes it in anew where it was a label already; where there is none and the
 * answer was made for this job, as a pair that no dice drew. False where neither is.
 */
export async function sayOfPair(
  tx: Sql,
  input: { readonly tenantId: string; readonly jobId: string; readonly score: number; readonly nowMs: number },
): Promise<boolean> {
  const { tenantId, jobId, score, nowMs } = input;
  const made = await tx`
    insert into route_pair as p (job_id, tenant_id, alias, chance, state, due_at_ms, said, created_at_ms)
    select j.id, j.tenant_id, r.alias, null, 'new', ${nowMs}::float8, ${score}::float8, ${nowMs}::float8
    from job j join result s on s.job_id = j.id join route r on r.tenant_id = j.tenant_id and r.alias = j.route::json ->> 'alias'
    where j.id = ${jobId} and j.tenant_id = ${tenantId} and j.state = ${"completed"} and s.source = 'lane' and j.body is not null
      and j.route::json -> 'shadow' is not null
    on conflict (job_id) do update set said = excluded.said,
      state = case when p.state = 'labelled' then 'said' else p.state end,
      ended_at_ms = case when p.state = 'labelled' then null else p.ended_at_ms end,
      due_at_ms = case when p.state = 'labelled' then excluded.due_at_ms else p.due_at_ms end
    where p.tenant_id = excluded.tenant_id`;
  return made.count > 0;
}

/** A pair that something is to be done about, with its job and its alias. */
export interface DuePair {
  readonly jobId: string;
  readonly tenantId: string;
  readonly keyId: string;
  readonly alias: string;
  readonly chance: number | null;
  readonly state: PairState;
  readonly tries: number;
  /** JSON: a candidate's name to the job that asks it. */
  readonly shadows: string | null;
  readonly judges: string | null;
  readonly relations: string | null;
  readonly said: number | null;
  readonly endpoint: string;
  readonly model: string;
  /** `null` once retention has taken it. */
  readonly body: string | null;
  readonly route: string;
  /** The alias's, `null` where it is no more. */
  readonly candidates: string | null;
  readonly baseline: string | null;
  readonly judge: string | null;
}

/** Takes the pair that has been due longest, and locks it until the transaction ends; those that others hold are passed over. `null` when none is due. */
export async function claimPair(tx: Sql, nowMs: number): Promise<DuePair | null> {
  const [row] = await tx<DuePair[]>`
    with due as (
      select * from route_pair where ended_at_ms is null and waiting = 0 and due_at_ms <= ${nowMs}::float8
      order by due_at_ms limit 1 for update skip locked)
    select p.job_id as "jobId", p.tenant_id as "tenantId", j.key_id as "keyId", p.alias, p.chance, p.state, p.tries, p.shadows, p.judges, p.relations, p.said,
      j.endpoint, j.model, j.body, j.route, r.candidates, r.baseline, r.judge
    from due p join job j on j.id = p.job_id left join route r on r.tenant_id = p.tenant_id and r.alias = p.alias`;
  return row ?? null;
}

/** What a pair has come to. */
export interface PairStep {
  readonly jobId: string;
  readonly state: PairState;
  /** Errands that it waits for. */
  readonly waiting?: number;
  readonly shadows?: string;
  readonly judges?: string;
  readonly relations?: string;
  /** Why it was dropped. */
  readonly reason?: string;
  /** What the given answer lost against the baseline's, 0 to 1. */
  readonly lost?: number | null;
}

const ENDED: readonly PairState[] = ["labelled", "dropped"];

/** Writes down what a pair has come to; what is left out stays. */
export async function stepPair(tx: Sql, step: PairStep, nowMs: number): Promise<void> {
  await tx`
    update route_pair set state = ${step.state}, waiting = ${step.waiting ?? 0}::int, tries = 0, due_at_ms = ${nowMs}::float8,
      shadows = coalesce(${step.shadows ?? null}, shadows), judges = coalesce(${step.judges ?? null}, judges),
      relations = coalesce(${step.relations ?? null}, relations), reason = ${step.reason ?? null}, lost = coalesce(${step.lost ?? null}::float8, lost),
      ended_at_ms = case when ${ENDED.includes(step.state)}::boolean then ${nowMs}::float8 end
    where job_id = ${step.jobId}`;
}

/** Puts a pair off that could not be worked on. */
export async function delayPair(tx: Sql, input: { readonly jobId: string; readonly untilMs: number }): Promise<void> {
  await tx`update route_pair set tries = tries + 1, due_at_ms = ${input.untilMs}::float8 where job_id = ${input.jobId} and ended_at_ms is null`;
}

/** Notes that errands of pairs have come back, one for each time that a pair is named. */
export async function notePairErrands(tx: Sql, jobIds: readonly string[], nowMs: number): Promise<void> {
  if (jobIds.length === 0) return;
  await tx`
    update route_pair p set waiting = greatest(0, p.waiting - t.n), due_at_ms = ${nowMs}::float8
    from (select id, count(*)::int as n from unnest(${jobIds as string[]}::text[]) as x (id) group by id order by id) t where p.job_id = t.id`;
}

/** An answer to a pair's question. */
export interface PairAnswer {
  readonly jobId: string;
  readonly model: string;
  readonly endpoint: string;
  /** Raw text. */
  readonly answer: string;
  /** Whether it is the one that its job ended with. */
  readonly given: boolean;
}

/** The good answers of a tenant's jobs that are still kept, declined ones among them, in the order in which they were asked. */
export async function readPairAnswers(tx: Sql, input: { readonly tenantId: string; readonly jobIds: readonly string[] }): Promise<PairAnswer[]> {
  return await tx<PairAnswer[]>`
    select a.job_id as "jobId", coalesce(a.model, j.model) as model, coalesce(a.endpoint, j.endpoint) as endpoint, a.answer,
      coalesce(r.attempt_id = a.id, false) as given
    from attempt a join job j on j.id = a.job_id left join result r on r.job_id = a.job_id
    where a.job_id = any(${input.jobIds as string[]}::text[]) and a.tenant_id = ${input.tenantId} and a.answer is not null and a.state = 'settled'
      and a.status_code between 200 and 299
    order by a.job_id, a.seq`;
}

/** Pairs of a tenant that are not at their end, by alias; an alias without any is left out. */
export async function countOpenPairs(tx: Sql, tenantId: string): Promise<ReadonlyMap<string, number>> {
  const rows = await tx<{ alias: string; n: number }[]>`
    select alias, count(*)::int as n from route_pair where tenant_id = ${tenantId} and ended_at_ms is null group by alias`;
  return new Map(rows.map(({ alias, n }) => [alias, n]));
}

/** What comparing has shown and cost for an alias, over the pairs that are kept. */
export interface PairReport {
  readonly open: number;
  readonly labelled: number;
  /** Why pairs taught nothing, the commonest first. */
  readonly dropped: readonly { readonly reason: string; readonly pairs: number }[];
  /** Losses of the answers that were given, with the chance with which each was drawn; users' words are not among them. */
  readonly losses: readonly { readonly lost: number; readonly chance: number }[];
  readonly shadowNano: bigint;
  readonly judgeNano: bigint;
}

const REPORTED = 20_000;
const REASONS = 10;

/** Reads what comparing has come to for an alias; the costs out of the ledger. */
export async function readPairReport(tx: Sql, input: { readonly tenantId: string; readonly alias: string }): Promise<PairReport> {
  const { tenantId, alias } = input;
  const pairs = tx`(select * from route_pair where tenant_id = ${tenantId} and alias = ${alias} order by job_id desc limit ${REPORTED})`;
  const [counts] = await tx<{ open: number; labelled: number }[]>`
    select (count(*) filter (where ended_at_ms is null))::int as open, (count(*) filter (where state = 'labelled'))::int as labelled from ${pairs} p`;
  const dropped = await tx<{ reason: string; pairs: number }[]>`
    select coalesce(reason, '') as reason, count(*)::int as pairs from ${pairs} p where state = 'dropped' group by 1 order by 2 desc, 1 limit ${REASONS}`;
  const losses = await tx<{ lost: number; chance: number }[]>`
    select lost, chance from ${pairs} p where lost is not null and chance is not null`;
  const costs = await tx<{ kind: string; nano: bigint }[]>`
    select x.kind, coalesce(sum(e.amount_nano), 0)::int8 as nano from (
      select 'shadow' as kind, s.value as id from ${pairs} p cross join lateral json_each_text(p.shadows::json) s
      union all select 'judge', s.value ->> 'jobId' from ${pairs} p cross join lateral json_each(p.judges::json) s) x
      join ledger_txn t on t.job_id = x.id and t.tenant_id = ${tenantId} join ledger_entry e on e.txn_id = t.id and e.account like 'payable.%'
    group by x.kind`;
  const nano = (kind: string): bigint => costs.find((row) => row.kind === kind)?.nano ?? 0n;
  return { open: counts?.open ?? 0, labelled: counts?.labelled ?? 0, dropped, losses, shadowNano: nano("shadow"), judgeNano: nano("judge") };
}

/** Forgets pairs that ended before an instant; returns how many. */
export async function forgetPairs(tx: Sql, input: { readonly beforeMs: number; readonly limit: number }): Promise<number> {
  const gone = await tx`
    delete from route_pair where job_id in (
      select job_id from route_pair where ended_at_ms is not null and ended_at_ms < ${input.beforeMs}::float8 order by ended_at_ms limit ${input.limit}::int)`;
  return gone.count;
}
