import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKey, createTenant } from "@slowboat/intake";
import type { Rng } from "@slowboat/kernel";
import { systemRng } from "@slowboat/runtime";
import { type EmbeddedPostgres, migrate, openStore, type Store, startEmbeddedPostgres, writeClock } from "@slowboat/store";

/** A data folder of the bench's own with a durable Postgres in it, migrated, with a clock, a tenant and a key. */
export interface Ground {
  readonly dir: string;
  /** Job ms per machine ms, and the instant at which both clocks agree. */
  readonly clock: { readonly scale: number; readonly anchorMs: number };
  readonly postgres: EmbeddedPostgres;
  readonly store: Store;
  readonly secret: string;
  readonly tenantId: string;
  readonly key: string;
  readonly webhookSecret: string;
  /** Stops the server and removes the folder. */
  stop(): Promise<void>;
}

/** The installation's secret: any will do, since the folder does not outlive the bench. */
const SECRET = "b".repeat(64);

/** Makes the ground that a stack stands on, with job time running `scale` times as fast. Postgres runs as it does for a user: fsync on. */
export async function prepareGround(rng: Rng = systemRng(), scale = 1): Promise<Ground> {
  const dir = mkdtempSync(join(tmpdir(), "slowboat-bench-"));
  mkdirSync(join(dir, "logs"));
  const postgres = await startEmbeddedPostgres({ dir: join(dir, "postgres"), port: 0 });
  const store = openStore(postgres.socketUrl, { max: 3, name: "slowboat-bench" });
  const nowMs = Date.now();
  await migrate(store, nowMs);
  await writeClock(store.sql, { realAnchorMs: nowMs, jobAnchorMs: nowMs, scale, seenRealMs: nowMs });
  const tenantId = await createTenant(store.sql, { name: "bench", nowMs, rng });
  const made = await createKey(store.sql, { tenantId, name: "bench", secret: SECRET, nowMs, rng });
  if (made === null) throw new Error("a generated key is never there already");
  return {
    dir,
    clock: { scale, anchorMs: nowMs },
    postgres,
    store,
    secret: SECRET,
    tenantId,
    key: made.key,
    webhookSecret: made.webhookSecret,
    stop: async () => {
      await store.close();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
