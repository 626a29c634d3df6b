import type { CacheTtl } from "@slowboat/contract";
import type { PromptRates } from "@slowboat/pricing";
import { CACHE_TTL_MS } from "@slowboat/reuse";
import { batchCdf, batchQuantile, sizeFactor } from "./turnaround.ts";

/** Points of the first batch's distribution at which the second one is tried. */
const GRID = 96;
/** From the start of the line that wrote to the start of the batch that reads, besides what is waited for anyway: a poll and a look. */
const HANDOVER_MS = 120_000;

/** A second turnaround is not spent for less than this share of the prefixes' plain price. */
const WORTHWHILE = 0.1;
/** Two batches in a row must be at least this likely to be in time, whatever they save: rescues spend real-time capacity that others may need. */
const IN_TIME = 0.75;

/** Lines with one prompt prefix that would go onto a batch lane now. Instants and lengths in job ms. */
export interface PrimeQuestion {
  /** Lines of the group, the one that would prime counted. */
  readonly lines: number;
  readonly prefixTokens: number;
  /** The batch prices of the prompt. */
  readonly rates: PromptRates;
  /** From now to the instant at which the lines would have to be rescued; `null` where none has a deadline. */
  readonly roomMs: number | null;
  /** How long the priming batch has been on its way; `null` before it is sent. */
  readonly ageMs: number | null;
  /** What a line costs more where it has to be rescued in real time, in nano-USD. */
  readonly rescueNano: bigint;
}

/** Whether to prime, or to go on waiting for a priming batch. `savedNano` is what is expected to be saved, of all lines together. */
export interface PrimeVerdict {
  readonly prime: boolean;
  readonly ttl: CacheTtl | null;
  readonly savedNano: bigint;
  readonly why: string;
}

/** A share of the input price as pico-USD a token, in a number: only for expectations. */
const num = (pico: bigint | null, otherwise: bigint): number => Number(pico ?? otherwise);

/** When small batches end, at equally likely points of their distribution; those that only expire are at infinity. */
const FIRST_MS: readonly number[] = Array.from({ length: GRID }, (_, i) => batchQuantile((i + 0.5) / GRID, 1) ?? Number.POSITIVE_INFINITY);

/** P(a batch that starts once a small one has ended is itself in hand within `ms` from now), the small one being `ageMs` old. */
export function twoBatchesCdf(ms: number, ageMs: number, lines: number): number {
  const left = FIRST_MS.filter((at) => at > ageMs).map((at) => at - ageMs);
  const sum = left.reduce((total, firstMs) => (firstMs < ms ? total + batchCdf(ms - firstMs, lines) : total), 0);
  return left.length === 0 ? 0 : sum / left.length;
}

/** Whether two batches in a row are likely enough to be in hand within `roomMs`; `null` is all the time there is. */
export const hasRoomForTwo = (roomMs: number | null, ageMs: number, lines: number): boolean =>
  roomMs === null || twoBatchesCdf(roomMs, ageMs, lines) >= IN_TIME;

/**
 * The share of a batch's lines that still find an entry which lives `leftMs` from its submission: lines begin evenly over the batch's time, so of a
 * batch that takes T it is min(1, left / T). Renewal by the lines that do read comes on top and is not counted.
 */
export function readChance(leftMs: number, lines: number): number {
  const slower = sizeFactor(lines);
  return FIRST_MS.reduce((sum, atMs) => sum + Math.min(1, Math.max(0, leftMs) / (atMs * slower)), 0) / FIRST_MS.length;
}

/** What marked lines cost in a batch that reads with this chance, as a share of plain input; 1 and more is worse than no marker. */
export function markedShare(rates: PromptRates, write: bigint, chance: number): number {
  return (chance * num(rates.read, rates.input) + (1 - chance) * Number(write)) / Number(rates.input);
}

/**
 * The priming test. One line goes first in a small batch and writes the prefix at a price; the others wait a whole turnaround and then
 * read it, unless it has lapsed before they run. It pays when n·P·(c − E[read or write]) exceeds the write's premium and the price
 * of a second turnaround: lines that a single batch would have brought in time and two in a row do not are rescued at the real-time price.
 */
export function primeVerdict(question: PrimeQuestion): PrimeVerdict {
  const { rates, lines, prefixTokens, roomMs } = question;
  const input = Number(rates.input);
  const readers = lines - 1;
  const no = (why: string): PrimeVerdict => ({ prime: false, ttl: null, savedNano: 0n, why });
  if (readers < 1 || rates.read === null || rates.writes.size === 0) return no("nothing to read it");
  const ageMs = question.ageMs ?? 0;
  if (!hasRoomForTwo(roomMs, ageMs, readers)) return no("no time for a second batch");
  const inTime = roomMs === null ? 1 : twoBatchesCdf(roomMs, ageMs, readers);
  const alone = roomMs === null ? 1 : batchCdf(roomMs, lines);
  const late = Math.max(0, alone - inTime) * readers * Number(question.rescueNano);
  let best: { ttl: CacheTtl; saved: number; chance: number } | null = null;
  for (const [ttl, write] of rates.writes) {
    const chance = readChance(CACHE_TTL_MS[ttl] - HANDOVER_MS, readers);
    const gain = readers * (1 - Math.min(1, markedShare(rates, write, chance)));
    // Once the priming line is on its way its premium is spent either way.
    const premium = question.ageMs === null ? (Number(write) - input) / input : 0;
    const saved = ((gain - premium) * prefixTokens * input) / 1000 - late;
    if (best === null || saved > best.saved) best = { ttl, saved, chance };
  }
  const least = (WORTHWHILE * lines * prefixTokens * input) / 1000;
  if (best === null || best.saved <= least) return no("a priming write and a second turnaround hardly save what they cost");
  const chances = `${(best.chance * 100).toFixed(0)} % to be read, both batches in time with ${(inTime * 100).toFixed(1)} %`;
  return { prime: true, ttl: best.ttl, savedNano: BigInt(Math.floor(best.saved)), why: `${readers} lines behind a priming one, ${chances}` };
}

/** How long (job ms) until a waiting line is looked at again, should nobody wake it: soon enough to notice that there is no room left. */
export const holdLookMs = (roomMs: number | null): number => Math.min(600_000, Math.max(30_000, (roomMs ?? 600_000) / 20));
