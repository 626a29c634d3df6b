import { hexOf } from "@slowboat/kernel";
import { emptyState, type ReuseState, readState } from "@slowboat/reuse-semantic";
import { readFamilies, type Sql } from "@slowboat/store";

interface Known {
  readonly version: number;
  readonly state: ReuseState;
  lookedAt: number;
}

/** What was learned of each family of namespaces, as this process last read it. */
export interface Families {
  stateOf(family: { readonly tenantId: string; readonly family: Uint8Array }): Promise<ReuseState>;
}

/** How long (machine ms) a state is used before it is asked whether there is a newer one. A state is some hundred kilobytes to read. */
const FRESH_MS = 1_000;
const KEPT_MAX = 500;

export function createFamilies(sql: Sql): Families {
  const known = new Map<string, Known>();
  return {
    stateOf: async ({ tenantId, family }) => {
      const hex = hexOf(family);
      const name = `${tenantId} ${hex}`;
      const held = known.get(name);
      if (held !== undefined && performance.now() - held.lookedAt < FRESH_MS) return held.state;
      const [newer] = await readFamilies(sql, [{ tenantId, family: hex, version: held?.version ?? 0 }]);
      const found: Known = {
        version: newer?.version ?? held?.version ?? 0,
        state: newer === undefined ? (held?.state ?? emptyState()) : readState(newer.state),
        lookedAt: performance.now(),
      };
      known.delete(name);
      known.set(name, found);
      for (const oldest of known.keys()) {
        if (known.size <= KEPT_MAX) break;
        known.delete(oldest);
      }
      return found.state;
    },
  };
}
