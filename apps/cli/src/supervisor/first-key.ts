import { createKey, createTenant } from "@slowboat/intake";
import type { Rng } from "@slowboat/kernel";
import { findKey, type Store, setTenant } from "@slowboat/store";
import type { DataFolder } from "./data-folder.ts";
import { readKept } from "./kept-key.ts";

/** The first tenant and the key that the CLI of this checkout uses. */
export interface FirstKey {
  readonly tenantId: string;
  /** `null` for a key of the operator's that was there before. */
  readonly keyId: string | null;
  readonly key: string;
  /** Set when the key was made now: to be shown once. */
  readonly made: { readonly webhookSecret: string } | null;
}

/**
 * Makes the tenant "default" and its key: the operator's own (`given`), of which only a hash is kept, or a generated one that stays
 * in `api-key.json` for this checkout's CLI, readable by its user alone. A later start finds both.
 */
export async function firstKey(
  store: Store,
  folder: DataFolder,
  input: {
    readonly given: string | undefined;
    readonly secret: string;
    readonly retentionDays: number | undefined;
    readonly nowMs: number;
    readonly rng: Rng;
  },
): Promise<FirstKey> {
  const { given, retentionDays, ...rest } = input;
  return await store.begin(async (tx) => {
    const tenantId = await createTenant(tx, { name: "default", nowMs: rest.nowMs, rng: rest.rng });
    if (retentionDays !== undefined) await setTenant(tx, { name: "default", retentionDays });
    if (given !== undefined) {
      const made = await createKey(tx, { tenantId, name: "given at the start", ...rest, own: given, admin: true });
      return { tenantId, keyId: made?.keyId ?? null, key: given, made: made ? { webhookSecret: made.webhookSecret } : null };
    }
    const kept = readKept(folder);
    // A kept key may have been revoked, or the database may be another one than it was made for.
    if (kept && (await findKey(tx, kept.keyId))?.tenantId === tenantId) return { tenantId, ...kept, made: null };
    const made = await createKey(tx, { tenantId, name: "first", ...rest, admin: true });
    if (!made) throw new Error("a generated key is never there already");
    folder.write("api-key.json", `${JSON.stringify({ keyId: made.keyId, key: made.key })}\n`);
    return { tenantId, keyId: made.keyId, key: made.key, made: { webhookSecret: made.webhookSecret } };
  });
}
