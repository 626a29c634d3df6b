import type { Rng } from "@slowboat/kernel";

/**
 * The format of our API keys: `slowboat_live_{8-char id}_{43 base62}{6-char checksum}`. Secret scanners can match it, the id is
 * what the database looks up, and the checksum refuses a mistyped key before any look-up.
 */
export interface ApiKeyParts {
  readonly id: string;
  readonly text: string;
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KEY = /^slowboat_live_([0-9a-z]{8})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** Makes a key from dice; 43 base62 characters carry 256 bits. */
export function makeApiKey(rng: Rng): ApiKeyParts {
  const id = draw(rng, 8, 36).toLowerCase();
  const stem = `slowboat_live_${id}_${draw(rng, 43, 62)}`;
  return { id, text: stem + checksum(stem) };
}

/**
 * Reads a key of our own format: its id, `"mistyped"` when the checksum does not fit, or `null` when it is not of our format
 * (an operator's own key may be any text).
 */
export function readApiKey(text: string): ApiKeyParts | "mistyped" | null {
  if (!text.startsWith("slowboat_live_")) return null;
  const match = KEY.exec(text);
  if (!match || match[3] !== checksum(text.slice(0, -6))) return "mistyped";
  return { id: match[1] ?? "", text };
}

function draw(rng: Rng, chars: number, base: number): string {
  let out = "";
  // Rejection keeps every character equally likely: the top of the range that does not divide evenly is thrown again.
  const fair = Math.floor(2 ** 32 / base) * base;
  while (out.length < chars) {
    const value = rng.u32();
    if (value < fair) out += ALPHABET.charAt(value % base);
  }
  return out;
}

/** CRC-32 (IEEE 802.3) in six base62 digits. */
function checksum(text: string): string {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i++) {
    crc ^= text.charCodeAt(i) & 0xff;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  let value = (crc ^ 0xffffffff) >>> 0;
  let out = "";
  for (let i = 0; i < 6; i++) {
    out = ALPHABET.charAt(value % 62) + out;
    value = Math.floor(value / 62);
  }
  return out;
}
