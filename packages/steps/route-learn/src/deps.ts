import type { Endpoint } from "@slowboat/contract";
import type { Rng } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
import type { Clock, Logger } from "@slowboat/runtime";
import type { RouteDesk, Sql, Store } from "@slowboat/store";

/** A question of a pair to another model, on behalf of the pair's tenant. */
export interface PairErrand {
  readonly tenantId: string;
  readonly keyId: string;
  readonly kind: "shadow" | "grade";
  /** The pair's job. */
  readonly subjectId: string;
  readonly content: string;
  readonly endpoint: Endpoint;
  readonly body: string;
  /** How long it may take (job ms). */
  readonly withinMs: number;
}

/** What learning from pairs is done with. */
export interface PairDeps {
  readonly store: Store;
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly routes: RouteDesk;
  /** Asks errands in the caller's transaction, at the tenant's cost and within its budgets; the job ids by place, `null` for one that could not be asked. */
  ask(tx: Sql, errands: readonly PairErrand[]): Promise<(string | null)[]>;
  /** Cosine of the vectors of two texts; `null` where they cannot be had. */
  cosine(a: string, b: string): Promise<number | null>;
}

/** An errand may take so long (job ms): as long as a batch may. */
export const ERRAND_MS = 24 * 3_600_000;
