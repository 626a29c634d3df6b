import { createFairShares } from "./fair.ts";

/** Somebody who waits for a scarce thing. */
export interface FairTurn {
  readonly tenant: string;
  /** What it is charged when its turn comes, as estimated; in tokens, or whatever is scarce. */
  readonly work: number;
  /** What orders a tenant's own turns (job ms): the earliest goes first. For work with a deadline its latest start. */
  readonly dueAtMs: number;
  /** From when on (job ms) its answer comes too late in any case; absent for what is never too late. */
  readonly lateAtMs?: number | undefined;
  /** It would have been late even if everything had gone in real time at once: it makes none of its tenant's others late. */
  readonly yields?: boolean | undefined;
  /** Its rescue has begun: its tenant jumps the line, and is charged. */
  readonly urgent: boolean;
}

/**
 * A line at a scarce thing, in the order of fair shares: of the tenants that wait the one served least goes next, by weight, and inside a tenant the earliest
 * latest start; what yields goes behind its tenant's others, and what is too late by now lets seven times its own work of them pass. Of two tenants that wait all the while neither is served more than the other by over twice the largest turn. A tenant with urgent
 * turns that are not too late goes before, the earliest first, at most every second place while others wait; which of its dated turns that place is for, its own order says. An urgent turn that yields is not urgent.
 */
export interface FairLine<T extends FairTurn> {
  readonly size: number;
  join(turn: T): void;
  /** Takes it out of the line without serving it. */
  leave(turn: T): void;
  /** Whose turn it is, without taking it; `null` when nobody waits. */
  peek(): T | null;
  /** Whether the turn that `peek` told of goes out of its tenant's turn. */
  readonly jumps: boolean;
  /** Serves this turn, whose it is or not: it leaves the line, and its tenant is charged. */
  serve(turn: T): void;
  /** Served without having waited; whoever finds no line pays all the same. */
  charge(tenant: string, work: number): void;
  /** Everybody who waits, in the order of joining. */
  [Symbol.iterator](): IterableIterator<T>;
}

/** Counters are forgotten beyond this many tenants, when none waits. */
const TENANTS_MAX = 10_000;

/** So many times its own work of its tenant's passes a turn that is too late: such a turn waits longer, but not for ever. */
const PASSING = 7;

/** A tenant's turns, each list in order. */
interface OwnTurns<T> {
  readonly timely: T[];
  readonly yielding: T[];
  readonly late: T[];
  /** Work that passed the late ones since one of them was served. */
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
  let lastJumped = false;
  let jumper: T | null = null;
  const urgents = new Set<T>();
  const isLate = ({ lateAtMs }: FairTurn): boolean => lateAtMs !== undefined && lateAtMs <= nowMs();
  const headOf = ({ timely, yielding, late, passed }: OwnTurns<T>): T | null => {
    for (const turns of [timely, yielding])
      for (let [turn] = turns; turn !== undefined && isLate(turn); [turn] = turns) {
        turns.shift();
        late.push(turn);
      }
    const [overdue] = late;
    return (overdue !== undefined && passed >= PASSING * overdue.work ? overdue : undefined) ?? timely[0] ?? yielding[0] ?? late[0] ?? null;
  };
  /** The urgent turn that is due first, of those that are not too late. */
  const firstUrgent = (): T | null => {
    let best: T | null = null;
    for (const turn of urgents) if (!isLate(turn) && (best === null || turn.dueAtMs < best.dueAtMs)) best = turn;
    return best;
  };
  /** Whom the place of an urgent turn is for: its tenant's first, unless that is one without a deadline. */
  const inPlaceOf = (urgent: T): T => {
    const first = headOf(byTenant.get(urgent.tenant) as OwnTurns<T>);
    return first?.lateAtMs === undefined ? urgent : first;
  };
  const drop = (turn: T): boolean => {
    if (!waiting.delete(turn)) return false;
    urgents.delete(turn);
    const mine = byTenant.get(turn.tenant) as OwnTurns<T>;
    // The first of them goes nearly always, and is found at once.
    for (const turns of [mine.timely, mine.yielding, mine.late]) {
      const at = turns.indexOf(turn);
      if (at >= 0) turns.splice(at, 1);
    }
    if (mine.timely.length + mine.yielding.length + mine.late.length === 0) {
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
      if (turn.urgent && turn.yields !== true) urgents.add(turn);
      const known = byTenant.get(turn.tenant);
      const mine = known ?? { timely: [], yielding: [], late: [], passed: 0 };
      const own = turn.yields === true ? mine.yielding : mine.timely;
      own.splice(placeOf(own, turn), 0, turn);
      if (known !== undefined) return;
      byTenant.set(turn.tenant, mine);
      shares.wake(turn.tenant);
    },
    leave: (turn) => void drop(turn),
    get jumps() {
      return jumper !== null;
    },
    peek: () => {
      const urgent = urgents.size > 0 && (!lastJumped || urgents.size === waiting.size) ? firstUrgent() : null;
      jumper = urgent === null ? null : inPlaceOf(urgent);
      if (jumper !== null) return jumper;
      const tenant = shares.next();
      const mine = tenant === null ? undefined : byTenant.get(tenant);
      return mine === undefined ? null : headOf(mine);
    },
    serve: (turn) => {
      const mine = byTenant.get(turn.tenant);
      if (mine !== undefined && mine.late.length > 0) mine.passed = mine.late.includes(turn) ? 0 : mine.passed + turn.work;
      if (!drop(turn)) return;
      lastJumped = turn === jumper;
      shares.charge(turn.tenant, turn.work);
    },
    charge: (tenant, work) => {
      note(tenant);
      shares.charge(tenant, work);
    },
    [Symbol.iterator]: () => waiting[Symbol.iterator](),
  };
}
