import { createFairShares } from "./fair.ts";

/** Somebody who waits for a scarce thing. */
export interface FairTurn {
  readonly tenant: string;
  /** What it is charged when its turn comes, as estimated; in tokens, or whatever is scarce. */
  readonly work: number;
  /** What orders a tenant's own turns (job ms): the earliest goes first. */
  readonly dueAtMs: number;
  /** Guaranteed work whose rescue has begun: it jumps the line and is charged. */
  readonly urgent: boolean;
}

/**
 * A line at a scarce thing, in the order of fair shares: of the tenants that wait the one served least goes next, by weight, and inside a tenant the earliest
 * deadline. Of two tenants that wait all the while neither is served more than the other by over twice the largest turn. Urgent turns go before, the earliest deadline first, at
 * most every second place while others wait.
 */
export interface FairLine<T extends FairTurn> {
  readonly size: number;
  join(turn: T): void;
  /** Takes it out of the line without serving it. */
  leave(turn: T): void;
  /** Whose turn it is, without taking it; `null` when nobody waits. */
  peek(): T | null;
  /** Serves this turn, whose it is or not: it leaves the line, and its tenant is charged. */
  serve(turn: T): void;
  /** Served without having waited; whoever finds no line pays all the same. */
  charge(tenant: string, work: number): void;
  /** Everybody who waits, in the order of joining. */
  [Symbol.iterator](): IterableIterator<T>;
}

/** Counters are forgotten beyond this many tenants, when none waits. */
const TENANTS_MAX = 10_000;

/** Where a turn stands among its tenant's own, which are in order: behind all that are due no later. */
function placeOf(turns: readonly FairTurn[], { dueAtMs }: FairTurn): number {
  let low = 0;
  let high = turns.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((turns[middle] as FairTurn).dueAtMs <= dueAtMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Opens an empty line for tenants of equal shares, or of those given by `weight`. */
export function createFairLine<T extends FairTurn>(weight: (tenant: string) => number = () => 1): FairLine<T> {
  const waiting = new Set<T>();
  const byTenant = new Map<string, T[]>();
  let shares = createFairShares(weight, true);
  const seen = new Set<string>();
  let lastUrgent = false;
  let urgentTurns = 0;
  const first = (turns: readonly T[]): T | null => turns.reduce<T | null>((a, b) => (a === null || b.dueAtMs < a.dueAtMs ? b : a), null);
  const drop = (turn: T): boolean => {
    if (!waiting.delete(turn)) return false;
    if (turn.urgent) urgentTurns--;
    const mine = byTenant.get(turn.tenant) ?? [];
    // The first of them goes nearly always, and is found at once.
    mine.splice(mine.indexOf(turn), 1);
    if (mine.length === 0) {
      byTenant.delete(turn.tenant);
      shares.rest(turn.tenant);
    }
    return true;
  };
  const note = (tenant: string): void => {
    if (seen.size >= TENANTS_MAX && waiting.size === 0) {
      shares = createFairShares(weight, true);
      seen.clear();
    }
    seen.add(tenant);
  };
  return {
    get size() {
      return waiting.size;
    },
    join: (turn) => {
      note(turn.tenant);
      waiting.add(turn);
      if (turn.urgent) urgentTurns++;
      const mine = byTenant.get(turn.tenant);
      if (mine !== undefined) {
        mine.splice(placeOf(mine, turn), 0, turn);
        return;
      }
      byTenant.set(turn.tenant, [turn]);
      shares.wake(turn.tenant);
    },
    leave: (turn) => void drop(turn),
    peek: () => {
      if (urgentTurns > 0 && (!lastUrgent || urgentTurns === waiting.size)) return first([...waiting].filter((turn) => turn.urgent));
      const tenant = shares.next();
      return tenant === null ? null : (byTenant.get(tenant)?.[0] ?? null);
    },
    serve: (turn) => {
      if (!drop(turn)) return;
      lastUrgent = turn.urgent;
      shares.charge(turn.tenant, turn.work);
    },
    charge: (tenant, work) => {
      note(tenant);
      shares.charge(tenant, work);
    },
    [Symbol.iterator]: () => waiting[Symbol.iterator](),
  };
}
