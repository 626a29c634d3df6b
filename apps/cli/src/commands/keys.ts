import { createKey, createTenant, readName, revokeKey } from "@slowboat/intake";
import { isFault } from "@slowboat/kernel";
import { jobClock, systemRng } from "@slowboat/runtime";
import { type ListedKey, listKeys, readClock, type Store, setTenant } from "@slowboat/store";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import type { DataFolder } from "../supervisor/data-folder.ts";
import { data, say } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";

/** What the key commands may be told. */
export interface KeyFlags extends GlobalFlags {
  readonly name: string;
  readonly tenant: string;
  readonly allowUnpriced?: boolean;
  readonly project: string;
  readonly admin?: boolean;
  readonly rpm?: string;
  readonly tpm?: string;
  readonly concurrency?: string;
}

/** Makes a key, and its tenant when it is new; prints the key and its webhook secret this once. */
export async function keysCreate(config: Config, flags: KeyFlags): Promise<ExitCode> {
  checkName(flags.tenant, "--tenant");
  checkName(flags.name, "--name");
  return await withStore(config, flags, async (store, folder) => {
    const nowMs = await jobNow(store);
    const rng = systemRng();
    const made = await store.begin(async (tx) => {
      const tenantId = await createTenant(tx, { name: flags.tenant, nowMs, rng });
      if (flags.allowUnpriced) await setTenant(tx, { name: flags.tenant, allowUnpriced: true });
      const limits = { requestsPerMinute: whole(flags.rpm), tokensPerMinute: whole(flags.tpm), concurrency: whole(flags.concurrency) };
      const { name, project, admin = false } = flags;
      return await createKey(tx, { tenantId, name, secret: secretOf(config, folder), nowMs, rng, project, admin, limits });
    });
    if (!made) throw new Error("a generated key is never there already");
    if (flags.json) await data(JSON.stringify({ key_id: made.keyId, key: made.key, webhook_secret: made.webhookSecret, tenant: flags.tenant }));
    else {
      say(`Key ${made.keyId} of tenant ${flags.tenant}. Both lines are shown this once: the key, and the secret that signs its webhooks.`);
      await data(`${made.key}\n${made.webhookSecret}`);
    }
    return EXIT.ok;
  });
}

function checkName(name: string, option: string): void {
  try {
    readName(name, `name after ${option}`);
  } catch (error) {
    if (isFault(error)) throw new Ended(EXIT.usage, `${option} '${name.slice(0, 64)}' is not possible. ${error.message}`);
    throw error;
  }
}

const whole = (text: string | undefined): number | null => (text === undefined ? null : Number(text));

/** What a key may do beyond working for its tenant, and within which limits; empty for most. */
function termsOf(key: ListedKey): string {
  const { requestsPerMinute: rpm, tokensPerMinute: tpm, concurrency } = key;
  const words = [
    key.admin ? "admin" : null,
    rpm === null ? null : `${rpm} requests/min`,
    tpm === null ? null : `${tpm} tokens/min`,
    concurrency === null ? null : `${concurrency} at once`,
  ].filter((word) => word !== null);
  return words.length === 0 ? "" : `  (${words.join(", ")})`;
}

/** Revokes a key by its id; every process notices within ten seconds. */
export async function keysRevoke(config: Config, flags: GlobalFlags, keyId: string): Promise<ExitCode> {
  return await withStore(config, flags, async (store) => {
    const found = (await listKeys(store.sql, null)).find((key) => key.keyId === keyId);
    if (!found) throw new Ended(EXIT.error, `There is no key with the id '${keyId}'; see: npx slowboat keys list`);
    const nowMs = await jobNow(store);
    const done = await store.begin((tx) => revokeKey(tx, { tenantId: found.tenantId, keyId, nowMs }));
    if (flags.json) await data(JSON.stringify({ key_id: keyId, tenant: found.tenantName, revoked: true, revoked_now: done }));
    say(done ? `Key ${keyId} is revoked; every process notices within ten seconds.` : `Key ${keyId} was revoked before.`);
    return EXIT.ok;
  });
}

/** Lists keys by id; their texts are not stored. */
export async function keysList(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  return await withStore(config, flags, async (store) => {
    for (const key of await listKeys(store.sql, null)) {
      const created = new Date(key.createdAtMs).toISOString();
      const state = key.revokedAtMs === null ? "live" : "revoked";
      await data(
        flags.json
          ? JSON.stringify({
              ...{
                key_id: key.keyId,
                tenant: key.tenantName,
                name: key.name,
                state,
                created_at: created,
                project: key.projectName,
                admin: key.admin,
              },
              ...{ requests_per_minute: key.requestsPerMinute, tokens_per_minute: key.tokensPerMinute, concurrency: key.concurrency },
            })
          : `${key.keyId}  ${state.padEnd(7)}  ${created}  ${key.tenantName}  ${key.name}${key.projectName === "default" || key.projectName === null ? "" : `  of ${key.projectName}`}${termsOf(key)}`,
      );
    }
    return EXIT.ok;
  });
}

async function jobNow(store: Store): Promise<number> {
  const clock = await readClock(store.sql);
  return clock ? jobClock(clock).job() : Date.now();
}

const secretOf = (config: Config, folder: DataFolder): string => config.SLOWBOAT_SECRET ?? folder.secret();
