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

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/**
 * Makes a prefixed UUIDv7 (RFC 9562) in 32 hex digits without dashes: time-ordered by `nowMs`, 74 random bits from `rng`.
 * At most 41 characters, all of `[a-z0-9_-]`, so it may serve as a provider's custom_id.
 */
export function newId(kind: IdKind, nowMs: number, rng: Rng): string {
  assert(Number.isSafeInteger(nowMs) && nowMs >= 0 && nowMs < 2 ** 48, `nowMs ${nowMs} is a 48-bit integer`);
  const time = hex(Math.floor(nowMs), 12);
  const randA = 0x7000 | (rng.u32() & 0x0fff);
  const randB = 0x80000000 | (rng.u32() & 0x3fffffff);
  return `${ID_PREFIX[kind]}${time}${hex(randA, 4)}${hex(randB >>> 0, 8)}${hex(rng.u32(), 8)}`;
}

/** The least id of a kind that may be made at `nowMs`: every id made then or later is not below it. */
export const idFloor = (kind: IdKind, nowMs: number): string => `${ID_PREFIX[kind]}${hex(Math.floor(nowMs), 12)}`;

/** True when `text` has the shape that `newId(kind)` makes; says nothing about whether the row exists. */
export function isId(kind: IdKind, text: string): boolean {
  const prefix = ID_PREFIX[kind];
  return text.startsWith(prefix) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length));
}
