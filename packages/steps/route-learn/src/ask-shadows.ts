import type { Endpoint } from "@slowboat/contract";
import { type Sql, stepPair, unlessNull } from "@slowboat/store";
import { ERRAND_MS, type PairDeps, type PairErrand } from "./deps.ts";
import { answersOf, type Pair } from "./pair.ts";
import { shadowRequest } from "./shadow-request.ts";

/**
 * Asks the candidates that have not answered a pair's request; those that have (a first answer that did not stand was paid for as well) are not asked again. All of
 * them or none: with one missing the others would be paid for in vain. Returns why none was asked, or `null`.
 */
export async function askShadows(deps: PairDeps, tx: Sql, pair: Pair): Promise<string | null> {
  const { row, models } = pair;
  const known = await answersOf(deps, tx, pair);
  const errands: PairErrand[] = [];
  const missing = models.filter((name) => !known.has(name));
  for (const name of missing) {
    const request = shadowRequest(deps.book, { endpoint: row.endpoint as Endpoint, body: pair.body }, name);
    if (request === null) return `${name} cannot be asked this request`;
    errands.push({ ...errandOf(pair), kind: "shadow", content: JSON.stringify({ model: name }), ...request });
  }
  const ids = await askAll(deps, tx, errands);
  if (ids === null) return "the other candidates could not be asked: no budget, no lane, or too many are out";
  const shadows = Object.fromEntries(missing.map((name, at) => [name, ids[at]]));
  await stepPair(tx, { jobId: row.jobId, state: "shadowed", waiting: ids.length, shadows: JSON.stringify(shadows) }, deps.clock.job());
  return null;
}

/** What the errands of a pair have in common. */
export const errandOf = ({ row: { tenantId, keyId, jobId } }: Pair): Omit<PairErrand, "kind" | "content" | "endpoint" | "body"> => ({
  tenantId,
  keyId,
  subjectId: jobId,
  withinMs: ERRAND_MS,
});

/** Asks errands; `null`, and none is asked, where one of them cannot be. */
export const askAll = (deps: PairDeps, tx: Sql, errands: readonly PairErrand[]): Promise<string[] | null> =>
  unlessNull(tx, async () => {
    const ids = await deps.ask(tx, errands);
    const asked = ids.filter((id) => id !== null);
    return asked.length === errands.length ? asked : null;
  });
