import type { Sql } from "./connect.ts";

/** A tenant as an operator sees it. */
export interface ListedTenant {
  readonly tenantId: string;
  readonly name: string;
  readonly allowUnpriced: boolean;
  readonly retentionDays: number;
  /** JSON list of model names; `null` for none. */
  readonly fallbacks: string | null;
  /** What may be reused by meaning, as JSON; `null` for nothing. */
  readonly semanticCache: string | null;
  /** Which models may be asked where another was named, as JSON; `null` for all. */
  readonly models: string | null;
  readonly createdAtMs: number;
  /** Its share where something is scarce, beside the others'. */
  readonly weight: number;
}

const columns = (tx: Sql) => tx`
  id as "tenantId", name, allow_unpriced as "allowUnpriced", retention_days as "retentionDays", fallbacks, semantic_cache as "semanticCache", models,
  created_at_ms as "createdAtMs", weight`;

/**
 * Sets what a tenant may do: whether models without a price run, for how many days (0 to 3650) its results are kept, which models stand
 * in for others (a JSON list of names; an empty text for none), what may be reused by meaning (JSON; an empty text for nothing), which models may be asked where another was named
 * (JSON; an empty text for all), and its weight. What is left out stays. `null` when there is no tenant of this name.
 */
export async function setTenant(
  tx: Sql,
  input: {
    readonly name: string;
    readonly allowUnpriced?: boolean;
    readonly retentionDays?: number;
    readonly fallbacks?: string;
    readonly semanticCache?: string;
    readonly models?: string;
    readonly weight?: number;
  },
): Promise<ListedTenant | null> {
  const rows = await tx<ListedTenant[]>`
    update tenant set allow_unpriced = coalesce(${input.allowUnpriced ?? null}::boolean, allow_unpriced),
      retention_days = coalesce(${input.retentionDays ?? null}::int, retention_days),
      weight = coalesce(${input.weight ?? null}::float8, weight),
      fallbacks = nullif(coalesce(${input.fallbacks ?? null}::text, fallbacks), ''),
      semantic_cache = nullif(coalesce(${input.semanticCache ?? null}::text, semantic_cache), ''),
      models = nullif(coalesce(${input.models ?? null}::text, models), '')
    where name = ${input.name} returning ${columns(tx)}`;
  return rows[0] ?? null;
}

const PAGE = 1000;

/** The tenants of the installation by name; for its operator. */
export async function listTenants(tx: Sql): Promise<ListedTenant[]> {
  return await tx<ListedTenant[]>`select ${columns(tx)} from tenant order by name limit ${PAGE}`;
}

/** Weights that are not 1, by tenant. */
export async function readWeights(tx: Sql): Promise<Map<string, number>> {
  const rows = await tx<{ id: string; weight: number }[]>`select id, weight from tenant where weight <> 1`;
  return new Map(rows.map(({ id, weight }) => [id, weight]));
}
