import { createHmac } from "node:crypto";
import { newId } from "@slowboat/kernel";
import { orm, type Store, table } from "@slowboat/store";
import { type TestClock, testClock, testRng } from "./test-clock.ts";

/** Who a test acts as. */
export interface TestTenant {
  readonly tenantId: string;
  readonly keyId: string;
}

let seeded = 0;

/** Writes a tenant and one API key whose secret nobody knows; enough for verbs that only name them. */
export async function seedTenant(store: Store, options: { readonly name?: string; readonly clock?: TestClock } = {}): Promise<TestTenant> {
  const clock = options.clock ?? testClock();
  const rng = testRng(++seeded);
  const tenantId = newId("tenant", clock.job(), rng);
  const keyId = `key_${tenantId.slice(4)}`;
  const createdAtMs = clock.job();
  await orm(store.sql)
    .insert(table.tenant)
    .values({ id: tenantId, name: options.name ?? `tenant-${seeded}`, createdAtMs });
  await orm(store.sql)
    .insert(table.apiKey)
    .values({
      id: keyId,
      tenantId,
      name: "test",
      hmac: createHmac("sha256", "test").update(keyId).digest(),
      pepperId: "test",
      webhookSecretSealed: "",
      createdAtMs,
    });
  return { tenantId, keyId };
}
