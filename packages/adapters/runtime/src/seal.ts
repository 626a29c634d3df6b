import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";

/** Derives a 32-byte key for one purpose from the installation's secret (hex text of at least 32 bytes), by HKDF-SHA-256. */
export const deriveKey = (secret: string, purpose: string): Buffer => Buffer.from(hkdfSync("sha256", Buffer.from(secret, "hex"), "", purpose, 32));

/** A short public name of a derived key, so that a row says which key it was made with. */
export const keyName = (key: Buffer): string => createHash("sha256").update(key).digest("hex").slice(0, 8);

/**
 * Seals text with AES-256-GCM as `v1.<key name>.<iv>.<ciphertext+tag>`, bound to `owner`: a sealed text that was moved to another
 * row does not open.
 */
export function seal(plain: string, secret: string, owner: string): string {
  const key = deriveKey(secret, "slowboat seal v1");
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(owner));
  const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `v1.${keyName(key)}.${iv.toString("base64url")}.${body.toString("base64url")}`;
}

/** Opens what `seal` made for the same owner; throws when the secret, the owner or a single bit differs. */
export function openSealed(sealed: string, secret: string, owner: string): string {
  const [version, name, iv, body] = sealed.split(".");
  const key = deriveKey(secret, "slowboat seal v1");
  if (version !== "v1" || !iv || !body) throw new Error("the sealed text is not of a known version");
  if (name !== keyName(key)) throw new Error("the sealed text was made with another secret; is SLOWBOAT_SECRET the one it was made with?");
  const bytes = Buffer.from(body, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(iv, "base64url")).setAAD(Buffer.from(owner));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString("utf8");
}

/** Opens a key's webhook secret (`whsec_...`); `keyId` is the row it was sealed for. */
export const openWebhookSecret = (sealed: string, secret: string, keyId: string): string => openSealed(sealed, secret, `api_key|${keyId}`);

/** Whether a text can be a signing secret as Standard Webhooks writes it: `whsec_` and base64 of 16 bytes at least. */
export const isWebhookSecret = (text: string): boolean => /^whsec_[A-Za-z0-9+/]{22,}={0,2}$/.test(text);

/** Makes and seals a new webhook secret for a key. */
export function newWebhookSecret(secret: string, keyId: string): { readonly plain: string; readonly sealed: string } {
  const plain = `whsec_${randomBytes(24).toString("base64")}`;
  return { plain, sealed: seal(plain, secret, `api_key|${keyId}`) };
}
