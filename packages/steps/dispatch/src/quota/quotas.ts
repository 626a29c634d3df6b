import { createFairShares, limitNow, type QuotaShares, unprovenLimit } from "@slowboat/plan";
import { type HeldTokens, type KnownQuota, type QuotaId, quotaKey } from "@slowboat/store";
import { createWaitingLines, type WaitingLines } from "./waiting-lines.ts";

/** Limits of enqueued tokens by lane, then by model; `*` stands for every model that is not named. */
export type EnqueuedSettings = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What an installation has set of its enqueued-token quotas, and what its planner remembers between two looks. */
export interface Quotas {
  /** The configured limit; `null` where none is set. */
  configured(lane: string, model: string): number | null;
  /** The models that a limit of the lane is configured for, `*` among them. */
  models(lane: string): readonly string[];
  /** The room that the last look found for work that waits, by `quotaKey`. */
  readonly seenRoom: Map<string, number>;
  /** What waits for each quota, by `quotaKey`. */
  readonly waiting: WaitingLines;
  /** How tenants stand to each other at a quota, by `quotaKey`. */
  turnsAt(key: string): QuotaTurns;
}

/** What tenants have been let through at one quota by this process, over their weights. */
export interface QuotaTurns extends QuotaShares {
  /** These tenants have work there, and no others: whoever comes anew begins level with the least served of those that wait. */
  present(tenants: Iterable<string>): void;
  /** So many tokens of a tenant's went into batches. */
  charge(tenant: string, tokens: number): void;
}

/** One process's quotas; tenants have equal shares, or those given by `weight`. */
export function createQuotas(settings: EnqueuedSettings = {}, weight: (tenant: string) => number = () => 1): Quotas {
  const turns = new Map<string, QuotaTurns>();
  return {
    configured: (lane, model) => settings[lane]?.[model] ?? settings[lane]?.["*"] ?? null,
    models: (lane) => Object.keys(settings[lane] ?? {}),
    seenRoom: new Map(),
    waiting: createWaitingLines(),
    turnsAt: (key) => {
      const known = turns.get(key) ?? createTurns(weight);
      turns.set(key, known);
      return known;
    },
  };
}

function createTurns(weight: (tenant: string) => number): QuotaTurns {
  const shares = createFairShares(weight, true);
  let here = new Set<string>();
  return {
    served: shares.served,
    weight,
    charge: shares.charge,
    present(tenants) {
      const now = new Set(tenants);
      for (const tenant of here) if (!now.has(tenant)) shares.rest(tenant);
      for (const tenant of now) shares.wake(tenant);
      here = now;
    },
  };
}

/** How many tokens may be enqueued now. `firm`: a refusal or an operator has said so; otherwise the account is only being tried out. */
export interface Limit {
  readonly tokens: number;
  readonly firm: boolean;
  /** The operator's own limit, which one line alone may not exceed either: it is exact, where one that was learned is in estimates. `null` for none. */
  readonly configured: number | null;
}

/** The limit of a quota now; `null` where the lane has none. What is configured holds, and what the provider has taught; a line larger than what was taught is tried, alone. */
export function limitOf(
  quotas: Quotas,
  id: QuotaId,
  facts: { readonly known: KnownQuota | undefined; readonly held: HeldTokens | undefined },
  nowMs: number,
): Limit | null {
  const learned = learnedLimit(facts.known, nowMs);
  const configured = quotas.configured(id.lane, id.model);
  if (learned !== null || configured !== null)
    return { tokens: Math.min(learned ?? Number.POSITIVE_INFINITY, configured ?? Number.POSITIVE_INFINITY), firm: true, configured };
  // Its queue is bounded in requests, and a refusal comes before the batch exists.
  if (id.lane === "anthropic-batch") return null;
  return { tokens: unprovenLimit(Math.max(facts.held?.provenTokens ?? 0, facts.known?.provenTokens ?? 0)), firm: false, configured: null };
}

/** What refusals have taught, as of now; `null` where none has. */
export function learnedLimit(known: KnownQuota | undefined, nowMs: number): number | null {
  if (known?.limitTokens == null || known.learnedAtMs === null) return null;
  return limitNow({ limitTokens: known.limitTokens, toldTokens: known.toldTokens, learnedAtMs: known.learnedAtMs }, nowMs);
}

/** Finds the row of a quota. */
export const rowOf = <R extends QuotaId>(rows: readonly R[], id: QuotaId): R | undefined => rows.find((row) => quotaKey(row) === quotaKey(id));
