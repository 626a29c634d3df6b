import { createFairShares } from "./fair.ts";

/** Somebody who waits for a scarce thing. */
export interface FairTurn {
  readonly tenant: string;
  /** What it is charged when its turn comes, as estimated; in tokens, or whatever is scarce. */
  readonly work: number;
  /** What orders a tenant's own turns (job ms): the earliest goes first. */
  readonly dueAtMs: number;
  /** From when on (job ms) its answer comes too late in any case; absent for what is never too late. */
  readonly lateAtMs?: number | undefined;
  /** Guaranteed work whose rescue has begun: it jumps the line and is charged. */
  readonly urgent: boolean;
}

/**
 * A line at a scarce thing, in the order of fair shares: of the tenants that wait the one served least goes next, by weight, and inside a tenant the earliest
 * deadline; what is too late by now lets its tenant's others pass, seven at a time. Of two tenants that wait all the while neither is served more than the other by over twice the largest turn. Urgent turns that are not too late go before, the earliest deadline first, at
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

/** So many turns of a tenant pass one of its own that is too late: such a turn waits longer, but not for ever. */
const PASSING = 7;

/** A tenant's turns, each list in order. */
interface OwnTurns<T> {
  readonly timely: T[];
  readonly late: T[];
  /** Turns that passed the late ones since one of them was served. */
  passed: number;
}

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

/** Opens an empty line for tenants of equal shares, or of those given by `weight`; without a clock (job ms) nothing in it is ever too late. */
export function createFairLine<T extends FairTurn>(
  weight: (tenant: string) => number = () => 1,
  nowMs: () => number = () => Number.NEGATIVE_INFINITY,
): FairLine<T> {
  const waiting = new Set<T>();
  const byTenant = new Map<string, OwnTurns<T>>();
  let shares = createFairShares(weight, true);
  const seen = new Set<string>();
  let lastUrgent = false;
  let urgentTurns = 0;
  const first = (turns: readonly T[]): T | null => turns.reduce<T | null>((a, b) => (a === null || b.dueAtMs < a.dueAtMs ? b : a), null);
  const isLate = ({ lateAtMs }: FairTurn): boolean => lateAtMs !== undefined && lateAtMs <= nowMs();
  const headOf = ({ timely, late, passed }: OwnTurns<T>): T | null => {
    for (let [turn] = timely; turn !== undefined && isLate(turn); [turn] = timely) {
      timely.shift();
      late.push(turn);
    }
    return (passed >= PASSING ? late[0] : undefined) ?? timely[0] ?? late[0] ?? null;
  };
  const drop = (turn: T): boolean => {
    if (!waiting.delete(turn)) return false;
    if (turn.urgent) urgentTurns--;
    const mine = byTenant.get(turn.tenant) as OwnTurns<T>;
    // The first of them goes nearly always, and is found at once.
    for (const turns of [mine.timely, mine.late]) {
      const at = turns.indexOf(turn);
      if (at >= 0) turns.splice(at, 1);
    }
    if (mine.timely.length + mine.late.length === 0) {
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
        mine.timely.splice(placeOf(mine.timely, turn), 0, turn);
        return;
      }
      byTenant.set(turn.tenant, { timely: [turn], late: [], passed: 0 });
      shares.wake(turn.tenant);
    },
    leave: (turn) => void drop(turn),
    peek: () => {
      const urgent =
        urgentTurns > 0 && (!lastUrgent || urgentTurns === waiting.size) ? first([...waiting].filter((turn) => turn.urgent && !isLate(turn))) : null;
      if (urgent !== null) return urgent;
      const tenant = shares.next();
      const mine = tenant === null ? undefined : byTenant.get(tenant);
      return mine === undefined ? null : headOf(mine);
    },
    serve: (turn) => {
      const mine = byTenant.get(turn.tenant);
      if (mine !== undefined && mine.late.length > 0) mine.passed = mine.late.includes(turn) ? 0 : mine.passed + 1;
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
