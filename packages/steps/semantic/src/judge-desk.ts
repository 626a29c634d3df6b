import type { Endpoint } from "@slowboat/contract";
import type { PriceBook } from "@slowboat/pricing";
import type { Sql } from "@slowboat/store";

/** What a judge is asked through: an errand, in the transaction that keeps the question waiting. */
export interface JudgeDesk {
  readonly book: PriceBook;
  /** Asks; returns the errands' ids by place, `null` for one that was left out. */
  ask(
    tx: Sql,
    asks: readonly {
      readonly tenantId: string;
      readonly keyId: string;
      readonly kind: "same-question";
      readonly subjectId: string;
      readonly content: string;
      readonly endpoint: Endpoint;
      readonly body: string;
      readonly withinMs: number;
    }[],
  ): Promise<(string | null)[]>;
}
