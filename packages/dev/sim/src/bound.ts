import type { Dice } from "./dice.ts";
import { type SimJob, workOf } from "./job.ts";
import type { WorldSpec } from "./spec.ts";
import { SLOT_MS, turnaround } from "./turnaround.ts";

/** Prices as shares of real time: what the bound reckons in. */
export const SHARE = { realtime: 1, batch: 0.5, flex: 0.5, pool: 0.15 } as const;
export const BUCKET_MS = 600_000;
/** Flex is taken for as good as batch where there is a minute or more: most of its calls answer within that. */
const FLEX_LEAST_MS = 60_000;

/** Jobs that arrive within ten minutes with one deadline class and one way out, and the work in them (prompt tokens). */
export interface Group {
  readonly bucket: number;
  readonly lastBucket: number;
  readonly alt: number;
  work: number;
}

/** The earliest end of any batch sent at or after each half minute of the world, in ms from its start; one line alone. */
function earliestEnds(spec: WorldSpec, dice: Dice, lane: string, slots: number): Float64Array {
  const ends = new Float64Array(slots + 1).fill(Number.POSITIVE_INFINITY);
  for (let slot = slots - 1; slot >= 0; slot--) {
    const { tookMs } = turnaround(spec, dice, lane, spec.startMs + slot * SLOT_MS, 1);
    ends[slot] = Math.min(ends[slot + 1] ?? Number.POSITIVE_INFINITY, slot * SLOT_MS + tookMs);
  }
  return ends;
}

/** The world's jobs in groups, each with the cheapest way but the pool that hindsight knows to be in time. */
export function groupJobs(spec: WorldSpec, dice: Dice): { groups: Group[]; work: number } {
  const lastMs = Math.max(...spec.jobs.map((job) => job.deadlineAtMs ?? job.arrivedAtMs));
  const slots = Math.ceil((lastMs - spec.startMs) / SLOT_MS) + 1;
  const ends = { "with-flex": earliestEnds(spec, dice, "openai-batch", slots), plain: earliestEnds(spec, dice, "anthropic-batch", slots) };
  const groups = new Map<string, Group>();
  let total = 0;
  for (const job of spec.jobs) {
    const alt = altOf(spec, job, ends[job.model as keyof typeof ends]);
    const bucket = Math.floor((job.arrivedAtMs - spec.startMs) / BUCKET_MS);
    const slackMs = job.slackMs ?? 0;
    const key = `${bucket} ${slackMs} ${alt}`;
    const group = groups.get(key) ?? { bucket, lastBucket: Math.floor(bucket + 1 + slackMs / BUCKET_MS), alt, work: 0 };
    groups.set(key, group);
    group.work += workOf(job);
    total += workOf(job);
  }
  return { groups: [...groups.values()], work: total };
}

function altOf(spec: WorldSpec, job: SimJob, ends: Float64Array): number {
  if (job.deadlineAtMs === null) return SHARE.realtime;
  const fromMs = job.arrivedAtMs - spec.startMs;
  const untilMs = job.deadlineAtMs - spec.startMs;
  if (job.model === "with-flex" && untilMs - fromMs >= FLEX_LEAST_MS) return SHARE.flex;
  const slot = Math.floor(fromMs / SLOT_MS);
  // Within the half minute in which it arrives, the job itself is the earliest that may be sent.
  const own = Math.max(0, fromMs - slot * SLOT_MS);
  return Math.min((ends[slot] ?? Number.POSITIVE_INFINITY) + own, ends[slot + 1] ?? Number.POSITIVE_INFINITY) <= untilMs
    ? SHARE.batch
    : SHARE.realtime;
}

/**
 * The bound by hand, exact for this problem: what a pool can serve in time of a set of groups is a polymatroid's rank, so the best set is found greedily
 * by the saving, dearest way out first. `rank` serves by earliest deadline over the buckets.
 */
export function greedyBound(groups: readonly Group[], work: number, poolRate: number): number {
  const alts = [...new Set(groups.map(({ alt }) => alt))].sort((a, b) => b - a);
  let saved = 0;
  let before = 0;
  for (const alt of alts) {
    const served = rank(
      groups.filter((group) => group.alt >= alt),
      (poolRate * BUCKET_MS) / 1000,
    );
    saved += (served - before) * (alt - SHARE.pool);
    before = served;
  }
  return (groups.reduce((sum, group) => sum + group.work * group.alt, 0) - saved) / work;
}

/** The most work that the pool can do in time, serving by earliest deadline bucket by bucket. */
function rank(groups: readonly Group[], capacity: number): number {
  const arrivals = [...groups].sort((a, b) => a.bucket - b.bucket);
  const last = Math.max(0, ...groups.map(({ lastBucket }) => lastBucket));
  const byDeadline: { lastBucket: number; left: number }[] = [];
  let at = 0;
  let served = 0;
  for (let bucket = 0; bucket <= last; bucket++) {
    for (; arrivals[at] !== undefined && (arrivals[at] as Group).bucket <= bucket; at++) {
      const { lastBucket, work } = arrivals[at] as Group;
      let place = byDeadline.length;
      while (place > 0 && (byDeadline[place - 1]?.lastBucket ?? 0) > lastBucket) place--;
      byDeadline.splice(place, 0, { lastBucket, left: work });
    }
    let left = capacity;
    while (left > 0 && byDeadline.length > 0) {
      const first = byDeadline[0] as { lastBucket: number; left: number };
      if (first.lastBucket < bucket) {
        byDeadline.shift();
        continue;
      }
      const done = Math.min(left, first.left);
      first.left -= done;
      left -= done;
      served += done;
      if (first.left <= 0) byDeadline.shift();
    }
  }
  return served;
}
