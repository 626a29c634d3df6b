import { type CacheTtl, laneClass, type PromptMarks } from "@slowboat/contract";
import { hasRoomForTwo, holdLookMs, markedShare, primeVerdict, readChance } from "@slowboat/plan";
import type { PrefixLevel, Reuse } from "@slowboat/reuse";
import { type KnownPrefix, type PrefixId, readPrefixes, type Sql } from "@slowboat/store";
import type { Placement } from "../place.ts";
import type { PlanDeps } from "../planner-deps.ts";
import { type Cacheable, cacheableOn, countLevels, marksOf } from "./rates-of.ts";

/** Jobs that wait for a priming batch: one that is placed now, by its line, or one that is on its way. */
export interface HeldGroup {
  readonly leaderJobId: string | null;
  readonly dispatchId: string | null;
  readonly prefix: PrefixId;
  readonly ttl: CacheTtl;
  readonly jobs: readonly Placement[];
  /** When they are looked at again should nobody wake them. */
  readonly lookAtMs: number;
}

/** Placements on batch lanes, markers decided; priming lines among them carry `prime`. */
export interface BatchPlan {
  readonly ready: Placement[];
  readonly held: HeldGroup[];
}

interface Member {
  readonly placement: Placement;
  readonly of: Cacheable;
  readonly marks: PromptMarks;
}

/**
 * Decides what the prompt cache is worth to jobs that go onto batch lanes now. The lines of one batch do not see each other's writes, so
 * a beginning that the provider does not hold is either primed, one line first and the others held until it has ended, or sent
 * without a breakpoint; one that it holds is marked while the chance to read it in time pays for what is written otherwise.
 */
export async function planBatches(tx: Sql, deps: PlanDeps, placements: readonly Placement[], nowMs: number): Promise<BatchPlan> {
  const ready: Placement[] = [];
  const held: HeldGroup[] = [];
  const all = placements.map((placement) => {
    const lane = deps.lanes.find((offer) => offer.id === placement.decision.lane);
    return { placement, lane, of: lane === undefined ? null : cacheableOn(deps.book, placement, lane, nowMs) };
  });
  const counts = countLevels(all.map((one) => one.of));
  const ids = new Map<string, PrefixId>();
  for (const { lane, of } of all)
    for (const { key } of of?.levels ?? [])
      if (lane && of) ids.set(`${of.scope}|${key}`, { lane: lane.id, account: lane.account, model: of.model, key });
  const known = new Map((await readPrefixes(tx, [...ids.values()])).map((row) => [`${row.account}|${row.model}|${row.key}`, row]));
  const groups = new Map<string, Member[]>();
  for (const { placement, of } of all) {
    const marks = of === null ? null : marksOf(of, reuseBy(of, counts, known, nowMs));
    if (of === null || marks === null) ready.push(placement);
    else if (marks.breakpoints.length === 0 || marks.group === null) ready.push(withMarks(placement, marks));
    else {
      const id = `${of.scope}|${marks.group}`;
      const group = groups.get(id) ?? [];
      groups.set(id, group);
      group.push({ placement, of, marks });
    }
  }
  for (const [id, members] of groups) {
    const prefix = ids.get(id);
    if (prefix !== undefined) planGroup({ members, prefix, known: known.get(id) ?? null }, nowMs, { ready, held });
  }
  return { ready, held };
}

const LIVE = new Set(["queued", "running", "submitted"]);
const isWarm = (row: KnownPrefix | undefined, nowMs: number): boolean => (row?.warmUntilMs ?? 0) > nowMs;
const isPriming = (row: KnownPrefix): boolean => row.warmUntilMs === null && LIVE.has(row.dispatchState ?? "");

const reuseBy =
  (of: Cacheable, counts: ReadonlyMap<string, number>, known: ReadonlyMap<string, KnownPrefix>, nowMs: number) =>
  ({ key }: PrefixLevel): Reuse => {
    const row = known.get(`${of.scope}|${key}`);
    const others = (counts.get(`${of.scope}|${key}`) ?? 1) - 1;
    return { waiting: others + Number(row !== undefined && isPriming(row)), seen: 0, overMs: 0, warm: isWarm(row, nowMs) };
  };

const withMarks = (placement: Placement, promptCache: PromptMarks): Placement => ({ ...placement, decision: { ...placement.decision, promptCache } });

/** All breakpoints of a line with one lifetime, as the provider asks of lines that share them. */
const keptFor = (marks: PromptMarks, ttl: CacheTtl, why: string): PromptMarks => ({
  ...marks,
  breakpoints: marks.breakpoints.map((one) => ({ ...one, ttl })),
  why,
});

interface Group {
  readonly members: readonly Member[];
  readonly prefix: PrefixId;
  readonly known: KnownPrefix | null;
}

function planGroup(group: Group, nowMs: number, out: { readonly ready: Placement[]; readonly held: HeldGroup[] }): void {
  const { members, known } = group;
  const [first] = members;
  if (first === undefined) return;
  const { rates } = first.of;
  if (known?.warmUntilMs != null && known.warmUntilMs > nowMs) {
    const ttl = known.ttl as CacheTtl;
    const chance = readChance(known.warmUntilMs - nowMs, members.length);
    if (markedShare(rates, rates.writes.get(ttl) ?? rates.input, chance) < 1) {
      const why = `held by the provider, ${(chance * 100).toFixed(0)} % to be read in time`;
      out.ready.push(...members.map(({ placement, marks }) => withMarks(placement, keptFor(marks, ttl, why))));
      return;
    }
  }
  const priming = known !== null && isPriming(known) ? known : null;
  const ageMs = priming === null ? 0 : nowMs - priming.begunAtMs;
  const cold = (some: readonly Member[], why: string): void => {
    out.ready.push(
      ...some.map(({ placement, marks }) => withMarks(placement, { ...marks, breakpoints: [], why: `no breakpoint in a cold batch: ${why}` })),
    );
  };
  const rooms = new Map<number | null, boolean>();
  const hasRoom = (member: Member): boolean => {
    const roomMs = roomOf([member], nowMs);
    // Lines of one batch mostly share a deadline.
    const room = roomMs === null ? null : Math.floor(roomMs / 60_000);
    const known = rooms.get(room) ?? hasRoomForTwo(roomMs, ageMs, members.length);
    rooms.set(room, known);
    return known;
  };
  // Lines too urgent to wait a turnaround do not keep the others from it.
  const { true: patient = [], false: urgent = [] } = Object.groupBy(members, (member) => String(hasRoom(member)) as "true" | "false");
  cold(urgent, "no time for a second batch");
  if (patient.length > 0) primeGroup({ ...group, members: patient }, priming, nowMs, { ...out, cold });
}

function primeGroup(
  { members, prefix }: Group,
  priming: KnownPrefix | null,
  nowMs: number,
  out: { readonly ready: Placement[]; readonly held: HeldGroup[]; cold(some: readonly Member[], why: string): void },
): void {
  const [first] = members as readonly [Member, ...Member[]];
  const roomMs = roomOf(members, nowMs);
  const verdict = primeVerdict({
    lines: members.length + Number(priming !== null),
    prefixTokens: first.marks.tokens,
    rates: first.of.rates,
    roomMs,
    ageMs: priming === null ? null : nowMs - priming.begunAtMs,
    rescueNano: rescueNanoOf(first.placement),
  });
  if (!verdict.prime || verdict.ttl === null) {
    out.cold(members, verdict.why);
    return;
  }
  const lookAtMs = nowMs + holdLookMs(roomMs);
  if (priming !== null) {
    const ttl = priming.ttl as CacheTtl;
    out.held.push({ leaderJobId: null, dispatchId: priming.dispatchId, prefix, ttl, jobs: members.map((one) => one.placement), lookAtMs });
    return;
  }
  // The shortest line goes ahead: it is the likeliest to be back soon.
  const leader = members.reduce((a, b) => (b.placement.job.bodyBytes < a.placement.job.bodyBytes ? b : a));
  out.ready.push({ ...withMarks(leader.placement, keptFor(leader.marks, verdict.ttl, `priming: ${verdict.why}`)), prime: true });
  const jobs = members.filter((one) => one !== leader).map((one) => one.placement);
  out.held.push({ leaderJobId: leader.placement.job.id, dispatchId: null, prefix, ttl: verdict.ttl, jobs, lookAtMs });
}

/** From now to the instant at which the most urgent of them would have to be rescued; `null` where none has a deadline. */
function roomOf(members: readonly Member[], nowMs: number): number | null {
  const ends = members.flatMap(({ placement: { job, decision } }) => decision.latestStartAtMs ?? job.deadlineAtMs ?? []);
  return ends.length === 0 ? null : Math.min(...ends) - nowMs;
}

/** What a line costs more in real time than in its batch, by the decision's own candidates; 0 where it has no rescue. */
function rescueNanoOf({ decision }: Placement): bigint {
  const price = (wanted: (lane: string) => boolean): bigint | null => {
    const found = decision.candidates.find((one) => wanted(one.lane) && one.priceNano !== null)?.priceNano;
    return found == null ? null : BigInt(found);
  };
  const batch = price((lane) => lane === decision.lane);
  const realtime = price((lane) => laneClass(lane as never) === "realtime");
  return batch === null || realtime === null || realtime < batch ? 0n : realtime - batch;
}
