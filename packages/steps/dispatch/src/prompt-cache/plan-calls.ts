import type { PromptMarks } from "@slowboat/contract";
import { cacheKeyOf, type PrefixLevel, type Reuse } from "@slowboat/reuse";
import type { ReplannedJob } from "@slowboat/store";
import type { Placement } from "../place.ts";
import type { PlanDeps } from "../planner-deps.ts";
import { type Cacheable, cacheableOn, countLevels, marksOf } from "./rates-of.ts";
import { KEY_BURST, KEY_BURST_MS } from "./traffic.ts";

/** A group is spread over a tenth of its slack, and over half an hour at most: what an entry lives, so that one key does for it. */
const SPREAD_SHARE = 0.1;
const SPREAD_MAX_MS = 1_800_000;

/** Placements with their markers, and jobs that go a little later. */
export interface CallPlan {
  readonly ready: Placement[];
  readonly later: ReplannedJob[];
}

/**
 * Decides the markers of jobs that go onto call lanes now: what the claim itself holds of each beginning counts as certain reuse, what
 * this process saw of late as likely. At OpenAI a beginning is sent under as few cache keys as its slack allows, each three times in a
 * quarter of a minute; what does not fit goes a little later, since every further key is one more write.
 */
export function planCalls(deps: PlanDeps, placements: readonly Placement[], nowMs: number): CallPlan {
  const traffic = deps.prompts;
  const cacheable = placements.map((placement): Cacheable | null => {
    const lane = deps.lanes.find((offer) => offer.id === placement.decision.lane);
    return lane === undefined ? null : cacheableOn(deps.book, placement, lane, nowMs);
  });
  const counts = countLevels(cacheable);
  const marked = placements.map((placement, i): { placement: Placement; of: Cacheable; marks: PromptMarks } | Placement => {
    const of = cacheable[i] ?? null;
    if (of === null) return placement;
    const reuseOf = ({ key }: PrefixLevel): Reuse => ({
      waiting: (counts.get(`${of.scope}|${key}`) ?? 1) - 1,
      ...traffic.evidence(`${of.scope}|${key}`, nowMs),
      warm: false,
    });
    const marks = marksOf(of, reuseOf);
    return marks === null ? placement : { placement, of, marks };
  });
  const pace = pacer(deps, nowMs);
  for (const one of marked) if ("marks" in one) pace.count(one.of, one.marks);
  const ready: Placement[] = [];
  const later: ReplannedJob[] = [];
  for (const one of marked) {
    if (!("marks" in one)) {
      ready.push(one);
      continue;
    }
    const { placement, of, marks } = one;
    const paced = pace.take(placement, of, marks);
    if ("atMs" in paced) {
      later.push({ jobId: placement.job.id, atMs: paced.atMs, waitReason: `${placement.decision.lane}: ${PACED}` });
      continue;
    }
    ready.push({ ...placement, decision: { ...placement.decision, promptCache: paced.marks } });
  }
  // Noted after all were judged: a claim's own members are counted once, as waiting.
  const waits = new Set(later.map((job) => job.jobId));
  for (const [i, placement] of placements.entries()) {
    const of = cacheable[i];
    if (of && !waits.has(placement.job.id)) for (const { key } of of.levels) traffic.saw(`${of.scope}|${key}`, nowMs);
  }
  return { ready, later };
}

const PACED = "waits a moment, since calls with one beginning of the prompt find it in the cache at a bounded pace";

interface Pacer {
  count(of: Cacheable, marks: PromptMarks): void;
  take(placement: Placement, of: Cacheable, marks: PromptMarks): { readonly marks: PromptMarks } | { readonly atMs: number };
}

function pacer(deps: PlanDeps, nowMs: number): Pacer {
  const totals = new Map<string, number>();
  const waiting = new Map<string, number>();
  const idOf = (of: Cacheable, marks: PromptMarks): string => `${of.scope}|${marks.cacheKey}`;
  return {
    count: (of, marks) => {
      if (marks.cacheKey !== null) totals.set(idOf(of, marks), (totals.get(idOf(of, marks)) ?? 0) + 1);
    },
    take: ({ job, decision }, of, marks) => {
      if (marks.cacheKey === null) return { marks };
      const id = idOf(of, marks);
      const withKey = (shard: number): { marks: PromptMarks } => ({
        marks: { ...marks, cacheKey: cacheKeyOf({ key: (marks.cacheKey ?? "").slice(3) }, shard) },
      });
      const mayWait = job.deadlineAtMs !== null && decision.role === "try";
      const spreadMs = mayWait ? Math.min(SPREAD_MAX_MS, SPREAD_SHARE * Math.max(0, (job.deadlineAtMs ?? nowMs) - nowMs)) : 0;
      const patient = spreadMs >= 4 * KEY_BURST_MS;
      const keys = patient ? Math.max(1, Math.ceil((totals.get(id) ?? 1) / (KEY_BURST * (spreadMs / KEY_BURST_MS)))) : Number.MAX_SAFE_INTEGER;
      const shard = deps.prompts.takeKey(id, keys, patient, nowMs);
      if (shard !== null) return withKey(shard);
      const before = waiting.get(id) ?? 0;
      waiting.set(id, before + 1);
      return { atMs: nowMs + KEY_BURST_MS * (1 + Math.floor(before / (KEY_BURST * keys))) };
    },
  };
}
