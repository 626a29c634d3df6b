import type { LaneId } from "@slowboat/contract";
import { batchQuantile } from "./turnaround.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** The quota comes round once in this time: three of four batches have ended by then. Waiting costs nothing, so the stuck ones are not waited for here. */
const ROUND_MS = batchQuantile(0.75, 1) ?? DAY_MS;

/** Work that waits for room, in one minute of the instants that order it. */
export interface WaitingTokens {
  /** `floor(dueAtMs / 60000)`, as `dueAtMs` below has it. */
  readonly minute: number;
  readonly tokens: number;
  /** Whose it is; absent where all is one tenant's, or nobody asks. */
  readonly tenant?: string;
}

/** How tenants stand to each other at a quota: what each has been let through, over its weight, and its weight. */
export interface QuotaShares {
  served(tenant: string): number;
  weight(tenant: string): number;
}

/** An account's enqueued-token quota for one model, as one look finds it. Tokens are estimates of input. */
export interface QuotaView {
  readonly limitTokens: number;
  /** What our live batches hold. */
  readonly heldTokens: number;
  /** What waits besides the lines that are asked about, earliest first. */
  readonly waiting: readonly WaitingTokens[];
  /** Absent for tenants of one weight that have had as much as each other. */
  readonly shares?: QuotaShares;
}

/** An enqueued-token quota whose limit somebody knows, as work finds it that does not stand in its line yet. */
export interface KnownRoom extends QuotaView {
  readonly lane: LaneId;
  /** `*` for every model of the lane that is not named. */
  readonly model: string;
  /** The operator's own limit, which one request alone may not exceed either; `null` for none. */
  readonly configured: number | null;
}

/** A line that would go into a batch now. */
export interface QuotaLine {
  readonly id: string;
  readonly tokens: number;
  readonly dueAtMs: number;
  readonly tenant?: string;
}

/** When a line's turn comes. */
export interface QuotaTurn {
  readonly waitMs: number;
  /** Tokens that go before it. */
  readonly aheadTokens: number;
}

/** What orders a tenant's lines at a full quota: the deadline, or for work without one a day after its acceptance. It never moves, so nothing is overtaken for ever. */
export const dueAtMs = (job: { readonly deadlineAtMs: number | null; readonly acceptedAtMs: number }): number =>
  job.deadlineAtMs ?? job.acceptedAtMs + DAY_MS;

interface Ordered<L> {
  readonly line: L;
  readonly aheadTokens: number;
}

/** What one tenant has at a quota. */
interface Stake {
  readonly served: number;
  readonly weight: number;
  /** What waits besides the lines that are asked about, and of it what is due before the line that is looked at. */
  waiting: number;
  waitingBefore: number;
  /** Of the lines that are asked about, what goes before the one that is looked at. */
  asked: number;
}

const EQUAL: QuotaShares = { served: () => 0, weight: () => 1 };

/**
 * Lines in the order of fair shares, each with all that goes before it: of its own tenant's what is due earlier, and of every other's what would be served by the time
 * that the line begins (its virtual start: what the tenant was served and has before it, over the weight; start-time fair queueing, Goyal and others, 1996), so that before
 * the first of who was served least goes nothing. What waits and is not asked about goes as a fluid.
 */
function inOrder<L extends QuotaLine>(quota: QuotaView, lines: readonly L[]): Ordered<L>[] {
  const shares = quota.shares ?? EQUAL;
  const stakes = new Map<string, Stake>();
  const stakeOf = (tenant = ""): Stake => {
    const known = stakes.get(tenant) ?? { served: shares.served(tenant), weight: shares.weight(tenant), waiting: 0, waitingBefore: 0, asked: 0 };
    stakes.set(tenant, known);
    return known;
  };
  for (const { tenant, tokens } of quota.waiting) stakeOf(tenant).waiting += tokens;
  let next = 0;
  const placed = [...lines]
    .sort((a, b) => a.dueAtMs - b.dueAtMs || (a.id < b.id ? -1 : 1))
    .map((line) => {
      const minute = Math.floor(line.dueAtMs / MINUTE_MS);
      for (let row = quota.waiting[next]; row !== undefined && row.minute < minute; row = quota.waiting[++next])
        stakeOf(row.tenant).waitingBefore += row.tokens;
      const own = stakeOf(line.tenant);
      const { waitingBefore, asked } = own;
      own.asked += line.tokens;
      return { line, own, waitingBefore, start: own.served + (waitingBefore + asked) / own.weight };
    });
  const waiters = [...stakes.values()].filter(({ waiting }) => waiting > 0);
  for (const { own } of placed) own.asked = 0;
  let asked = 0;
  return placed
    .sort((a, b) => a.start - b.start)
    .map(({ line, own, waitingBefore, start }) => {
      let aheadTokens = asked + waitingBefore;
      for (const one of waiters) if (one !== own) aheadTokens += Math.min(one.waiting, Math.max(0, (start - one.served) * one.weight - one.asked));
      asked += line.tokens;
      own.asked += line.tokens;
      return { line, aheadTokens };
    });
}

/**
 * When each line's turn would come, by fair shares between tenants and the earliest deadline first within one: at once within what is left, then one round of the quota after another. A line larger than
 * the quota waits a day: it can only go alone, and may be refused even so.
 */
export function quotaTurns(quota: QuotaView, lines: readonly QuotaLine[]): Map<string, QuotaTurn> {
  const room = Math.max(0, quota.limitTokens - quota.heldTokens);
  const turns = new Map<string, QuotaTurn>();
  for (const { line, aheadTokens } of inOrder(quota, lines)) {
    const over = aheadTokens + line.tokens - room;
    const rounds = over <= 0 ? 0 : Math.ceil(over / Math.max(1, quota.limitTokens));
    const waitMs = line.tokens > quota.limitTokens ? DAY_MS : Math.min(DAY_MS, rounds * ROUND_MS);
    turns.set(line.id, { waitMs, aheadTokens });
  }
  return turns;
}

/**
 * The lines that go now: by fair shares between tenants, the earliest deadline first within one, as long as all that is enqueued stays within the quota, and none behind one that must wait. A line larger
 * than the quota goes when nothing else is enqueued, and alone.
 */
export function fitQuota<L extends QuotaLine>(quota: QuotaView, lines: readonly L[]): { readonly go: L[]; readonly wait: L[] } {
  const room = quota.limitTokens - quota.heldTokens;
  const go: L[] = [];
  const wait: L[] = [];
  for (const { line, aheadTokens } of inOrder(quota, lines)) {
    const alone = aheadTokens === 0 && quota.heldTokens === 0;
    // What goes before counts whether it goes or waits, so nothing passes a line that waits.
    if (aheadTokens + line.tokens <= room || alone) go.push(line);
    else wait.push(line);
  }
  return { go, wait };
}

/** How long (job ms) until a line that waits is looked at again, should no ending batch wake it: soon enough to see that its turn will come too late. */
export const quotaLookMs = (waitMs: number): number => Math.min(1_800_000, Math.max(MINUTE_MS, waitMs / 2));
