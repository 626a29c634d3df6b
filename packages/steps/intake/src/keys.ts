import { createHash, createHmac, hash, timingSafeEqual } from "node:crypto";
import { makeApiKey, readApiKey } from "@slowboat/contract";
import { fault, newId, type Rng } from "@slowboat/kernel";
import { type Clock, deriveKey, keyName, newWebhookSecret } from "@slowboat/runtime";
import { findKey, insertKey, insertProject, insertTenant, type KeyLimits, type KeyOwner, markKeyRevoked, type Sql } from "@slowboat/store";

/** Who calls: every row of theirs carries `tenantId`, and every query filters by it. */
export type Caller = Omit<KeyOwner, "hmac" | "pepperId">;

/** A key as it is shown once and never again. */
export interface ShownKey {
  readonly keyId: string;
  readonly key: string;
  readonly webhookSecret: string;
}

interface Pepper {
  readonly id: string;
  readonly bytes: Buffer;
}

const pepperOf = (secret: string): Pepper => {
  const bytes = deriveKey(secret, "slowboat api key pepper v1");
  return { id: keyName(bytes), bytes };
};

const hmacOf = (pepper: Pepper, key: string): Buffer => createHmac("sha256", pepper.bytes).update(key).digest();

/** An operator's own key (any text of 16 to 200 characters without spaces) is found by the start of its hash. */
const foreignId = (key: string): string => createHash("sha256").update(key).digest("hex").slice(0, 8);
const isForeign = (key: string): boolean => /^[\x21-\x7e]{16,200}$/.test(key);

const NAME_CHARS = 64;

/** A tenant's or a key's name: 1 to 64 printable characters, none of them a space at either end; another is a fault. */
export function readName(text: string, param: string): string {
  if (text !== text.trim() || text === "" || text.length > NAME_CHARS || !text.isWellFormed() || /[\p{C}\p{Zl}\p{Zp}]/u.test(text))
    throw fault("invalid-request", { param, message: `The ${param} needs 1 to ${NAME_CHARS} printable characters, without a space at either end.` });
  return text;
}

/** Makes a tenant, or finds the one of this name; returns its id. */
export async function createTenant(
  tx: Sql,
  input: { readonly name: string; readonly allowUnpriced?: boolean; readonly retentionDays?: number; readonly nowMs: number; readonly rng: Rng },
): Promise<string> {
  return await insertTenant(tx, {
    id: newId("tenant", input.nowMs, input.rng),
    name: readName(input.name, "name of the tenant"),
    allowUnpriced: input.allowUnpriced ?? false,
    retentionDays: input.retentionDays ?? 30,
    createdAtMs: input.nowMs,
  });
}

/** Makes a project of a tenant, or finds the one of this name; returns its id. */
async function createProject(
  tx: Sql,
  input: { readonly tenantId: string; readonly name: string; readonly nowMs: number; readonly rng: Rng },
): Promise<string> {
  const { tenantId, nowMs, rng } = input;
  return await insertProject(tx, {
    id: newId("project", nowMs, rng),
    tenantId,
    name: readName(input.name, "name of the project"),
    createdAtMs: nowMs,
  });
}

/**
 * Makes a key for a tenant with its webhook secret; both are returned here and stored only as HMAC and sealed text. `own` stores a
 * key that the operator chose; storing the same one again changes nothing and returns `null`, another one with its id is refused.
 */
export async function createKey(
  tx: Sql,
  input: {
    readonly tenantId: string;
    readonly name: string;
    readonly secret: string;
    readonly nowMs: number;
    readonly rng: Rng;
    readonly own?: string;
    /** The project it belongs to, by name, made where it is new; the tenant's default one where it is absent. */
    readonly project?: string;
    /** It may set its tenant's budgets. */
    readonly admin?: boolean;
    readonly limits?: Partial<KeyLimits>;
  },
): Promise<ShownKey | null> {
  const pepper = pepperOf(input.secret);
  readName(input.name, "name of the key");
  const projectId = input.project === undefined ? null : await createProject(tx, { ...input, name: input.project });
  // An id is eight characters: a taken one is drawn again.
  for (let round = 0; round < 5; round++) {
    const { id, text } = input.own === undefined ? makeApiKey(input.rng) : ownKey(input.own);
    const webhook = newWebhookSecret(input.secret, id);
    const made = await insertKey(tx, {
      id,
      tenantId: input.tenantId,
      name: input.name,
      hmac: hmacOf(pepper, text),
      pepperId: pepper.id,
      webhookSecretSealed: webhook.sealed,
      createdAtMs: input.nowMs,
      projectId,
      admin: input.admin ?? false,
      ...input.limits,
    });
    if (made) return { keyId: id, key: text, webhookSecret: webhook.plain };
    if (input.own !== undefined) {
      const known = await findKey(tx, id);
      if (known && known.tenantId === input.tenantId && timingSafeEqual(known.hmac, hmacOf(pepper, text))) return null;
      throw fault("invalid-request", { message: "The given API key cannot be used: it was revoked, belongs to another tenant, or its id is taken." });
    }
  }
  throw new Error("no free key id was found in five draws");
}

function ownKey(text: string): { id: string; text: string } {
  const parts = readApiKey(text);
  if (parts === "mistyped") throw fault("key-invalid", { message: "The given API key looks like one of ours but its checksum is wrong." });
  if (parts) return parts;
  if (!isForeign(text)) throw fault("key-invalid", { message: "An own API key needs 16 to 200 printable characters without spaces." });
  return { id: foreignId(text), text };
}

/** Revokes a tenant's key; false when it is unknown or was revoked before. Other processes notice within ten seconds. */
export async function revokeKey(tx: Sql, input: { readonly tenantId: string; readonly keyId: string; readonly nowMs: number }): Promise<boolean> {
  return await markKeyRevoked(tx, input);
}

const CACHE_MS = 10_000;
const CACHE_MAX = 10_000;

/**
 * Makes the check of a presented key. A mistyped key of our format is refused before the database; a good one is remembered
 * for at most ten seconds by its peppered hash, so that a revocation is noticed. Throws `key-missing` or `key-invalid`.
 */
export function keyVerifier(deps: {
  readonly sql: Sql;
  readonly secret: string;
  readonly clock: Clock;
}): (presented: string | undefined) => Promise<Caller> {
  const pepper = pepperOf(deps.secret);
  const pepperText = pepper.bytes.toString("base64");
  const known = new Map<string, { readonly caller: Caller; readonly untilRealMs: number }>();
  return async (presented) => {
    if (!presented) throw fault("key-missing");
    const name = hash("sha256", pepperText + presented, "base64");
    const realMs = deps.clock.real();
    const hit = known.get(name);
    if (hit && hit.untilRealMs > realMs) return hit.caller;
    const parts = readApiKey(presented);
    if (parts === "mistyped" || (parts === null && !isForeign(presented))) throw fault("key-invalid");
    const hmac = hmacOf(pepper, presented);
    const row = await findKey(deps.sql, parts?.id ?? foreignId(presented));
    if (!row || row.pepperId !== pepper.id || row.hmac.length !== hmac.length || !timingSafeEqual(row.hmac, hmac)) throw fault("key-invalid");
    const { hmac: _hmac, pepperId: _pepperId, ...caller } = row;
    if (known.size >= CACHE_MAX) known.clear();
    known.set(name, { caller, untilRealMs: realMs + CACHE_MS });
    return caller;
  };
}
