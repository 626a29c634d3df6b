/**
 * Pricing: what tokens cost, where, when, and what was saved. A price book with exact model ids, tiers, effective dates and a
 * source for every row; integer pico-USD in, nano-USD out, rounded once a price. It exists so that every figure in a
 * receipt can be recomputed from the stored usage and the book's version.
 */
import standardPrices from "./price-book.json" with { type: "json" };

export {
  type Accepted,
  KINDS,
  type Kind,
  loadPriceBook,
  type ModelLimits,
  type ModelRef,
  type PriceBook,
  type PriceRow,
  type ResolvedModel,
  TIERS,
  type Tier,
} from "./book.ts";
export {
  type BudgetChain,
  type BudgetEntry,
  type BudgetTop,
  type BudgetView,
  budgetChain,
  type ExtendAsk,
  extendAll,
  type HoldAsk,
  type HoldFacts,
  type HoldRefusal,
  holdAll,
  leftOf,
  periodOf,
  reachedAlert,
  settleHold,
} from "./budget.ts";
export { batchModels, nearestModels, resolveModel, routeOn } from "./models.ts";
export { baseline, type Priced, type PriceTerms, type PromptRates, price, promptRates, type QuoteRequest, quote } from "./price.ts";
export { type CompatibleProvider, readProviders, withProviders } from "./providers.ts";
export { type LedgerPosting, type Settlement, type SettlementInput, settlement, waterfallOf } from "./settlement.ts";
export { type UsageReading, usageOf } from "./usage.ts";

/** The prices that come with Slowboat, as JSON for `loadPriceBook`; an operator may load a book of their own instead. */
export const STANDARD_PRICES: unknown = standardPrices;
