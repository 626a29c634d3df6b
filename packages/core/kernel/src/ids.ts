import { assert } from "./assert.ts";
import type { Rng } from "./rng.ts";

/** The one table of identifier prefixes. File ids keep the dash that clients of the files API expect. */
export const ID_PREFIX = {
  tenant: "ten_",
  project: "proj_",
  budget: "bud_",
  job: "job_",
  batch: "batch_",
  messageBatch: "msgbatch_",
  file: "file-",
  attempt: "att_",
  dispatch: "dsp_",
  event: "evt_",
  delivery: "whd_",
  request: "req_",
  cacheEntry: "cache_",
  feedback: "fdb_",
} as const;

export type IdKind = keyof typeof ID_PREFIX;

/** Two digits for each byte: the engine writes numbers above 31 bits to another base digit by digit, and an interactive call takes four ids. */
const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const hex16 = (value: number): string => `${BYTES[(value >>> 8) & 0xff]}${BYTES[value & 0xff]}`;
const hex32 = (value: number): string => `${hex16(value >>> 16)}${hex16(value)}`;
/** 48 bits of milliseconds in twelve digits. */
const hexTime = (nowMs: number): string => `${hex16(nowMs / 2 ** 32)}${hex32(nowMs % 2 ** 32)}`;

/**
 * Makes a prefixed UUIDv7 (RFC 9562) in 32 hex digits without dashes: time-ordered by `nowMs`, 74 random bits from `rng`.
 * At most 41 characters, all of `[a-z0-9_-]`, so it may serve as a provider's custom_id.
 */
export function newId(kind: IdKind, nowMs: number, rng: Rng): string {
  assert(Number.isSafeInteger(nowMs) && nowMs >= 0 && nowMs < 2 ** 48, `nowMs ${nowMs} is a 48-bit integer`);
  const randA = 0x7000 | (rng.u32() & 0x0fff);
  const randB = 0x80000000 | (rng.u32() & 0x3fffffff);
  return `${ID_PREFIX[kind]}${hexTime(nowMs)}${hex16(randA)}${hex32(randB)}${hex32(rng.u32())}`;
}

/** The least id of a kind that may be made at `nowMs`: every id made then or later is not below it. Before time began there were none. */
export const idFloor = (kind: IdKind, nowMs: number): string => `${ID_PREFIX[kind]}${hexTime(Math.max(0, Math.floor(nowMs)))}`;

/** True when `text` has the shape that `newId(kind)` makes; says nothing about whether the row exists. */
export function isId(kind: IdKind, text: string): boolean {
  const prefix = ID_PREFIX[kind];
  return text.startsWith(prefix) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length));
}
