import { createHash } from "node:crypto";
import { fault, LIMITS } from "@slowboat/kernel";
import { findIdempotency } from "@slowboat/store";
import type { Context } from "hono";
import type { AppDeps, AppEnv } from "./env.ts";
import { deadlineHeader } from "./terms.ts";

/** Headers that change what is asked for, beside the deadline's. */
const ASKING = ["slowboat-allow", "slowboat-deny", "slowboat-cache", "slowboat-fallbacks", "anthropic-version", "anthropic-beta"] as const;

/** A caller's Idempotency-Key with the fingerprint of what it was sent with. */
export interface Keyed {
  readonly key: string;
  readonly fingerprint: string;
}

/** The caller's Idempotency-Key; `null` where there is none. */
export function idempotencyKey(c: Context<AppEnv>): string | null {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return null;
  if (!/^[\x20-\x7e]+$/.test(key) || key.length > LIMITS.idempotencyKeyChars) {
    throw fault("invalid-request", {
      param: "Idempotency-Key",
      message: `An Idempotency-Key has 1 to ${LIMITS.idempotencyKeyChars} printable characters.`,
    });
  }
  return key;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The fingerprint of a request: the hash of its body, and with it the headers that change what is asked for. */
export function fingerprintOf(headers: Headers, bodySha256: string): string {
  const asked = ASKING.flatMap((name) => (headers.has(name) ? [[name, headers.get(name)]] : []));
  const deadline = deadlineHeader(headers);
  if (deadline !== null) asked.push(["deadline", deadline.text]);
  return asked.length === 0 ? bodySha256 : sha256(JSON.stringify([bodySha256, asked]));
}

/** The caller's Idempotency-Key with the fingerprint of its headers and this body; `null` where there is none. */
export function idempotencyOf(c: Context<AppEnv>, body: string): Keyed | null {
  const key = idempotencyKey(c);
  return key === null ? null : { key, fingerprint: fingerprintOf(c.req.raw.headers, sha256(body)) };
}

/**
 * The id of what an earlier request with this key made; `null` when there was none. To be asked before a request is judged: what was
 * accepted yesterday is answered again although its deadline has passed since. Another request under the key is a fault.
 */
export async function earlierId(deps: AppDeps, c: Context<AppEnv>, route: string, keyed: Keyed | null): Promise<string | null> {
  if (keyed === null) return null;
  const owner = await findIdempotency(deps.store.sql, {
    tenantId: c.get("caller").tenantId,
    route,
    key: keyed.key,
    sinceMs: deps.clock.job() - LIMITS.idempotencyTtlMs,
  });
  if (owner !== null && owner.fingerprint !== keyed.fingerprint) throw fault("idempotency-mismatch", { param: "Idempotency-Key" });
  return owner?.responseId ?? null;
}
