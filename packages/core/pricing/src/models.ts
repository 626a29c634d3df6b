import { type LaneId, laneClass, laneProvider, type Provider } from "@slowboat/contract";
import { type ModelRef, type PriceBook, type ResolvedModel, rowKey, type Tier } from "./book.ts";

/** What a name in a request stands for; `null` when the book does not know it. Exact ids and aliases only. */
export const resolveModel = (book: PriceBook, name: string): ResolvedModel | null => book.names.get(name) ?? null;

const TIER_OF = { pool: "standard", batch: "batch", flex: "flex", realtime: "standard" } as const;

/** Who answers on a lane, which exact model runs there and on which price list; `null` for the cache and for a lane that none of the candidates can use. */
export function routeOn(lane: LaneId, candidates: readonly ModelRef[]): { provider: Provider; model: string; tier: Tier } | null {
  const kind = laneClass(lane);
  if (kind === "cache") return null;
  const provider = laneProvider(lane);
  const candidate = candidates.find((c) => c.provider === provider);
  return candidate ? { provider, tier: TIER_OF[kind], model: candidate.model } : null;
}

/** The exact ids of a provider's models that are sold on its batch price list, in the order of the book. */
export const batchModels = (book: PriceBook, provider: Provider): string[] =>
  [...book.names].flatMap(([name, { candidates }]) =>
    candidates.some(
      (one) => one.provider === provider && one.model === name && book.rows.has(rowKey(provider, book.priceIds.get(name) ?? name, "batch")),
    )
      ? [name]
      : [],
  );

/** The `n` names of the book closest to a name it does not have, nearest first, for the text of an error. */
export function nearestModels(book: PriceBook, name: string, n: number): string[] {
  const wanted = name.slice(0, 200);
  return [...book.names.keys()]
    .map((known) => ({ known, distance: editDistance(wanted, known) }))
    .sort((a, b) => a.distance - b.distance || (a.known < b.known ? -1 : 1))
    .slice(0, n)
    .map((entry) => entry.known);
}

/** Levenshtein's distance with one row of memory. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(swap, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
