/**
 * The store: Postgres, the one truth. One SQL verb a file; each takes `(tx, input)` and never reads a clock. Tenant-facing
 * verbs take the tenant and filter by it.
 */
export { type Orm, openStore, orm, type Sql, type Store } from "./connect.ts";
export { migrate } from "./migrate.ts";
export * as table from "./schema.ts";
