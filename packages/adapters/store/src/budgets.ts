import type { BudgetPeriod } from "@slowboat/contract";
import { type BudgetTop, periodOf } from "@slowboat/pricing";
import type { Sql } from "./connect.ts";

/** A budget as it is set; without an amount it was taken back. */
export interface BudgetRow {
  readonly id: string;
  readonly tenantId: string;
  readonly tenantName: string;
  /** `null` for the whole tenant. */
  readonly projectId: string | null;
  readonly projectName: string | null;
  readonly period: BudgetPeriod;
  readonly amountNano: bigint;
  readonly hard: boolean;
  readonly alertAt: number | null;
  readonly callbackUrl: string | null;
}

/** A budget with its books as they stand. */
export interface BudgetStanding extends BudgetRow {
  readonly periodKey: string;
  readonly endsAtMs: number | null;
  readonly heldNano: bigint;
  readonly spentNano: bigint;
  /** When it reached its alert share in this period; `null` where it has not. */
  readonly alertedAtMs: number | null;
}

/** The id of a tenant's default project. */
export const defaultProject = (tenantId: string): string => `proj_${tenantId.slice(4)}`;

const columns = (tx: Sql) => tx`
  b.id, b.tenant_id as "tenantId", n.name as "tenantName", b.project_id as "projectId", p.name as "projectName", b.period, b.amount_nano as "amountNano", b.hard,
    b.alert_at as "alertAt", b.callback_url as "callbackUrl"`;

/** Makes a project of a tenant, or finds the one of this name; returns its id. */
export async function insertProject(
  tx: Sql,
  row: { readonly id: string; readonly tenantId: string; readonly name: string; readonly createdAtMs: number },
): Promise<string> {
  const id = row.name === "default" ? defaultProject(row.tenantId) : row.id;
  const made = await tx<{ id: string }[]>`
    insert into project (id, tenant_id, name, created_at_ms) values (${id}, ${row.tenantId}, ${row.name}, ${row.createdAtMs})
    on conflict (tenant_id, name) do update set name = excluded.name returning id`;
  return made[0]?.id ?? id;
}

/** A tenant's project by its name; `null` when there is none. */
export async function findProject(tx: Sql, of: { readonly tenantId: string; readonly name: string }): Promise<string | null> {
  const rows = await tx<{ id: string }[]>`select id from project where tenant_id = ${of.tenantId} and name = ${of.name}`;
  return rows[0]?.id ?? null;
}

/** What is set of a budget. `amountNano: null` takes it back: its books stay, and go on when it is set again. */
export interface BudgetSetting {
  /** The id that it gets where it is new. */
  readonly id: string;
  readonly tenantId: string;
  readonly projectId: string | null;
  readonly period: BudgetPeriod;
  readonly amountNano: bigint | null;
  readonly hard: boolean;
  readonly alertAt: number | null;
  readonly callbackUrl: string | null;
  /** Whose webhook secret signs its alert. */
  readonly keyId: string | null;
  readonly nowMs: number;
}

/** Sets the budget of a tenant or project for a period, in place of the one that stands there. Returns its id. */
export async function saveBudget(tx: Sql, row: BudgetSetting): Promise<string> {
  await tx`update tenant set budgeted = true where id = ${row.tenantId} and not budgeted`;
  const made = await tx<{ id: string }[]>`
    insert into budget (id, tenant_id, project_id, period, amount_nano, hard, alert_at, callback_url, key_id, created_at_ms, changed_at_ms)
    values (${row.id}, ${row.tenantId}, ${row.projectId}, ${row.period}, ${row.amountNano?.toString() ?? null}::int8, ${row.hard}, ${row.alertAt}::float8,
      ${row.callbackUrl}, ${row.keyId}, ${row.nowMs}::float8, ${row.nowMs}::float8)
    on conflict (tenant_id, coalesce(project_id, ''), period) do update set amount_nano = excluded.amount_nano, hard = excluded.hard,
      alert_at = excluded.alert_at, callback_url = excluded.callback_url, key_id = excluded.key_id, changed_at_ms = excluded.changed_at_ms
    returning id`;
  return made[0]?.id ?? row.id;
}

/** The budgets of a tenant, or of all, as they stand at job instant `nowMs`; `projectId` leaves out those of other projects. */
export async function listBudgets(
  tx: Sql,
  input: { readonly tenantId: string | null; readonly projectId?: string; readonly nowMs: number },
): Promise<BudgetStanding[]> {
  const rows = await tx<BudgetRow[]>`
    select ${columns(tx)} from budget b join tenant n on n.id = b.tenant_id left join project p on p.id = b.project_id
    where b.amount_nano is not null and (${input.tenantId}::text is null or b.tenant_id = ${input.tenantId})
      and (${input.projectId ?? null}::text is null or b.project_id is null or b.project_id = ${input.projectId ?? null})
    order by n.name, p.name nulls first, b.period`;
  const spans = rows.map((row) => periodOf(row.period, input.nowMs));
  const keys = rows.map((row, at) => ({ id: row.id, period: spans[at]?.key ?? "" }));
  const tops = await readTops(tx, keys);
  const alerts = await tx<{ id: string; period: string; atMs: number }[]>`
    select budget_id as id, period, at_ms as "atMs" from budget_alert
    where (budget_id, period) in (select * from unnest(${keys.map((x) => x.id)}::text[], ${keys.map((x) => x.period)}::text[]))`;
  return rows.map((row, at): BudgetStanding => {
    const span = spans[at] ?? { key: "", endsAtMs: null };
    const top = tops.get(row.id);
    const alert = alerts.find((one) => one.id === row.id && one.period === span.key);
    return {
      ...row,
      periodKey: span.key,
      endsAtMs: span.endsAtMs,
      heldNano: top?.heldNano ?? 0n,
      spentNano: top?.spentNano ?? 0n,
      alertedAtMs: alert?.atMs ?? null,
    };
  });
}

/** The last entries of these chains; a chain without one is absent. */
export async function readTops(tx: Sql, keys: readonly { readonly id: string; readonly period: string }[]): Promise<Map<string, BudgetTop>> {
  if (keys.length === 0) return new Map();
  const rows = await tx<(BudgetTop & { id: string })[]>`
    select t.id, e.seq, e.held_after_nano as "heldNano", e.spent_after_nano as "spentNano"
    from unnest(${keys.map((x) => x.id)}::text[], ${keys.map((x) => x.period)}::text[]) as t (id, period)
      cross join lateral (
        select seq, held_after_nano, spent_after_nano from budget_entry where budget_id = t.id and period = t.period order by seq desc limit 1) e`;
  return new Map(rows.map(({ id, ...top }) => [id, top]));
}
