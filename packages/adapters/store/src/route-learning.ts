import type { Sql } from "./connect.ts";

/** An alias as those see it who teach it, locked. */
export interface TaughtRoute {
  readonly policyVersion: number;
  readonly quality: number;
  readonly candidates: string;
  readonly baseline: string;
  /** JSON of the watch over its losses; `null` before the first. */
  readonly drift: string | null;
}

/** An alias, locked until the transaction ends: its labels and its watch are written by one at a time. `null` when it is no more. */
export async function lockRoute(tx: Sql, input: { readonly tenantId: string; readonly alias: string }): Promise<TaughtRoute | null> {
  const [row] = await tx<TaughtRoute[]>`
    select policy_version as "policyVersion", quality, candidates, baseline, drift from route
    where tenant_id = ${input.tenantId} and alias = ${input.alias} for update`;
  return row ?? null;
}

/** Keeps what the watch over an alias's losses has seen. */
export async function saveDrift(tx: Sql, input: { readonly tenantId: string; readonly alias: string; readonly drift: string }): Promise<void> {
  await tx`update route set drift = ${input.drift} where tenant_id = ${input.tenantId} and alias = ${input.alias}`;
}

/** Closes an alias whose traffic has changed: its policy and all labels go, the baseline answers, and it learns anew. */
export async function closeRoute(tx: Sql, input: { readonly tenantId: string; readonly alias: string; readonly nowMs: number }): Promise<void> {
  const { tenantId, alias, nowMs } = input;
  await tx`delete from route_label where tenant_id = ${tenantId} and alias = ${alias}`;
  await tx`
    update route set policy = null, policy_version = policy_version + 1, labels = 0, fresh = 0, drift = null, drifted_at_ms = ${nowMs}::float8
    where tenant_id = ${tenantId} and alias = ${alias}`;
}

/** One label as it is kept; `null` when it is no more. */
export async function readRouteLabel(
  tx: Sql,
  input: { readonly tenantId: string; readonly alias: string; readonly id: string },
): Promise<Uint8Array | null> {
  const [row] = await tx<{ label: Uint8Array }[]>`
    select label from route_label where tenant_id = ${input.tenantId} and alias = ${input.alias} and id = ${input.id}`;
  return row?.label ?? null;
}

/** An alias that is to be trained. */
export interface TrainableRoute {
  readonly tenantId: string;
  readonly alias: string;
  readonly candidates: string;
  readonly quality: number;
  readonly policyVersion: number;
  readonly fresh: number;
}

/**
 * Takes an alias that has labels enough for a policy and enough of them fresh (at least 20 and a tenth), so that no other process trains it before `untilRealMs`
 * (machine time). `least` labels are the fewest that teach anything. `null` when there is none.
 */
export async function claimTraining(
  tx: Sql,
  input: { readonly least: number; readonly realMs: number; readonly untilRealMs: number },
): Promise<TrainableRoute | null> {
  const [row] = await tx<TrainableRoute[]>`
    update route set training_until_real_ms = ${input.untilRealMs}::float8
    where (tenant_id, alias) = (
      select tenant_id, alias from route
      where fresh >= 20 and fresh * 10 >= labels and labels >= greatest(${input.least}::int, ceil(1 / (1 - quality) - 1 - 1e-9))
        and training_until_real_ms <= ${input.realMs}::float8
      order by training_until_real_ms limit 1 for update skip locked)
    returning tenant_id as "tenantId", alias, candidates, quality, policy_version as "policyVersion", fresh`;
  return row ?? null;
}

/** Gives an alias back that could not be trained now; it is tried again from `fromRealMs` on (machine time). */
export async function delayTraining(
  tx: Sql,
  input: { readonly tenantId: string; readonly alias: string; readonly fromRealMs: number },
): Promise<void> {
  await tx`update route set training_until_real_ms = ${input.fromRealMs}::float8 where tenant_id = ${input.tenantId} and alias = ${input.alias}`;
}
