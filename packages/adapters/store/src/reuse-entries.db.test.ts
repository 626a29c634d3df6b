import { seedTenant, type TestDatabase, testDatabase } from "@slowboat/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findReusable, openStore } from "./index.ts";

const NOW = Date.UTC(2026, 10, 1);
const KEYS = 30;
const keyOf = (n: number): Uint8Array => Uint8Array.from({ length: 32 }, () => n);

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(() => database.drop());

/** Thirty questions that were asked a thousand times each, one of which is being answered again; and the kept answers to twenty thousand others. */
async function fill(tenantId: string): Promise<void> {
  await database.store.sql`
  insert into reuse_entry (tenant_id, reuse_key, job_id, attempt_id, created_at_ms, expires_at_ms)
  select ${tenantId}, decode(md5(n::text) || md5(n::text), 'hex'), 'job_' || n, 'att_' || n, ${NOW}, ${NOW + 1_000_000} from generate_series(1, 20000) n`;
  await database.store.sql`
  insert into job (id, tenant_id, key_id, surface, endpoint, provider, model, baseline_model, state, body, body_bytes, input_tokens_est,
    output_tokens_est, reuse_key, accepted_at_ms)
  select 'job_' || lpad(n::text, 6, '0'), ${tenantId}, 'k', 'native', '/v1/embeddings', 'openai', 'm', 'm',
    case when n = 30000 then 'placed' else 'completed' end, '{}', 2, 1, 1, decode(repeat(lpad(to_hex(n % ${KEYS}), 2, '0'), 32), 'hex'), ${NOW}::float8 + n
  from generate_series(1, 30000) n`;
}

test.each(["planned while the tables were empty", "planned when they were known"])(
  "a job that is being answered is found by its key, whatever has been asked before, and nothing else is read: %s",
  async (when) => {
    const { tenantId } = await seedTenant(database.store);
    const keys = Array.from({ length: KEYS }, (_, n) => ({ tenantId, reuseKey: keyOf(n) }));
    const store = openStore(database.url, { max: 1 });
    const read = async (): Promise<number> => {
      await store.sql`select pg_stat_force_next_flush()`;
      const [row] = await store.sql<
        { n: number }[]
      >`select sum(idx_tup_fetch + seq_tup_read)::int as n from pg_stat_user_tables where relname in ('job', 'reuse_entry')`;
      return row?.n ?? -1;
    };
    try {
      if (when.includes("empty")) await findReusable(store.sql, keys, NOW);
      await fill(tenantId);
      if (when.includes("known")) await database.store.sql`analyze job, reuse_entry`;
      const before = await read();
      const hits = await findReusable(store.sql, keys, NOW);
      expect(hits.flatMap(({ leaderId }) => leaderId ?? [])).toEqual(["job_030000"]);
      expect((await read()) - before).toBeLessThan(100);
    } finally {
      await store.close();
    }
  },
);
