import { createHmac, timingSafeEqual } from "node:crypto";
import { fault } from "@slowboat/kernel";

/** How far a timestamp may be from our machine's clock, in either direction: what the providers' own clients allow. */
const TOLERANCE_MS = 300_000;
const ID_CHARS = 256;
/** Signatures looked at: one a secret, and a sender has one or two. */
const SIGNATURES = 8;
const PREFIX = "v1,";

/** The key in a secret as providers give it out: `whsec_` and base64. */
export const secretKey = (secret: string): Buffer => Buffer.from(secret.slice("whsec_".length), "base64");

/** The three headers of a signed delivery; `undefined` where one is missing. */
export interface SignedHeaders {
  readonly id: string | undefined;
  /** Unix seconds. */
  readonly timestamp: string | undefined;
  /** `v1,` and base64, several parted by spaces. */
  readonly signature: string | undefined;
}

/**
 * Checks a delivery after Standard Webhooks: the HMAC-SHA256 of id, timestamp and the raw body under our key is among its signatures, and it is not older
 * or newer than five minutes. Throws a 400 for one that lacks something or is stale, a 401 for one that we cannot have been meant by.
 */
export function checkSignature(key: Buffer, headers: SignedHeaders, body: Uint8Array, nowMs: number): void {
  const { id, timestamp, signature } = headers;
  if (!id || !timestamp || !signature)
    throw fault("invalid-request", { message: "A signed webhook has the headers webhook-id, webhook-timestamp and webhook-signature." });
  if (id.length > ID_CHARS || !/^\d{1,12}$/.test(timestamp))
    throw fault("invalid-request", { message: "The header webhook-id or webhook-timestamp cannot be read." });
  if (Math.abs(nowMs - Number(timestamp) * 1000) > TOLERANCE_MS)
    throw fault("invalid-request", { param: "webhook-timestamp", message: "The webhook's timestamp is too far from now." });
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  const given = signature.split(" ", SIGNATURES).filter((one) => one.startsWith(PREFIX));
  const fits = given
    .map((one) => Buffer.from(one.slice(PREFIX.length), "base64"))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected));
  if (!fits) throw fault("signature-invalid");
}
