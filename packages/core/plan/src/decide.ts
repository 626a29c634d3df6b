import { type Candidate, type FallbackTaken, type LaneId, laneClass } from "@slowboat/contract";
import { formatUsd, LIMITS, nano } from "@slowboat/kernel";
import { judgeChain, type Level, levelInTurn, whyNotBefore } from "./chain.ts";
import { mayRun, type Option } from "./option.ts";
import { type Policy, policyOf } from "./policy.ts";
import type { PlanJob, Snapshot, Verdict } from "./snapshot.ts";
import { toCandidate } from "./to-candidate.ts";

/** Least real-time capacity first; settles ties between lanes that cost the same. */
const FRUGAL = ["cache", "pool", "batch", "flex", "realtime"] as const;
const frugality = (lane: LaneId): number => FRUGAL.indexOf(laneClass(lane));

type Refusal = Extract<Verdict, { kind: "refuse" }>;

/**
 * Where an accepted job goes now. Pure: the same job, snapshot and instant give the same record. A stored answer wins; an
 * urgent job takes the fastest cheap lane; one with a deadline takes the least expected cost, cheap lane first and real time as
 * its rescue. A deadline that can no longer be met never drops the job: it goes to the surest lane, late. Refused are only
 * jobs that no lane may run, or none within their cost bound. Where the caller named other models, the first one in line that can answer
 * in time does; all of this then holds for its lanes.
 */
export const decide = (job: PlanJob, snapshot: Snapshot, nowMs: number): Verdict => judge(job, snapshot, nowMs, false);

/** `decide` for a job that is not accepted yet: a lane set that cannot make the deadline is refused, with the earliest one it can make. */
export const admit = (job: PlanJob, snapshot: Snapshot, nowMs: number): Verdict => judge(job, snapshot, nowMs, true);

function judge(job: PlanJob, snapshot: Snapshot, nowMs: number, strict: boolean): Verdict {
  if (job.attempts >= LIMITS.jobAttempts) return refusal("attempts-exhausted", `All ${LIMITS.jobAttempts} attempts were used.`);
  const levels = judgeChain(job, snapshot, nowMs);
  const level = levelInTurn(levels, job.deadlineAtMs === null);
  const cacheAllowed = (job.allow === null || job.allow.includes("cache")) && !job.deny?.includes("cache");
  const cache: Candidate[] = job.cached
    ? [{ lane: "cache", eligible: cacheAllowed, why: "an answer to the same request is kept", priceNano: "0", expectedNano: "0", inTime: 1 }]
    : [];
  const record = (lane: LaneId, model: string, reason: string, latestStartAtMs: number | null, taken: Level | null): Verdict => {
    const fallback = fallbackTaken(job, levels, taken);
    return {
      kind: "place",
      decision: {
        lane,
        model,
        role: job.role,
        reason: fallback === null ? reason : `${fallback.name} in place of ${job.model}: ${reason}`,
        decidedAtMs: nowMs,
        deadlineAtMs: job.deadlineAtMs,
        latestStartAtMs,
        pricesVersion: snapshot.book.version,
        candidates: [...cache, ...candidatesOf(levels, taken)],
        ...(fallback === null ? {} : { fallback }),
      },
    };
  };
  if (job.cached && cacheAllowed && job.role === "try") return record("cache", job.model, "an answer to the same request is kept", null, null);

  if (strict && job.deadlineAtMs !== null && job.deadlineAtMs <= nowMs) return refusal("deadline-past", "The deadline has already passed.");
  if (level === null) return noLane(levels, job);
  const place = (option: Option, reason: string): Verdict => record(option.lane, option.model, reason, option.latestStartAtMs, level);
  const runnable = level.judged.filter(mayRun);
  if (job.role === "rescue" || job.role === "hedge")
    return place(fastest(runnable, true), job.role === "rescue" ? "rescue: the deadline is near" : "hedge beside a batch that is late");
  if (job.deadlineAtMs === null) return place(urgent(runnable), "no deadline: the fastest lane, the pool first");
  const feasible = level.judged.filter((o) => o.out === null);
  if (feasible.length === 0) {
    if (strict)
      return infeasible(
        levels.flatMap(({ judged }) => judged.filter(mayRun)),
        nowMs,
      );
    return place(
      surest(runnable, job.deadlineAtMs - nowMs, policyOf(snapshot)),
      job.deadlineAtMs <= nowMs ? "late: the deadline has passed, so the surest lane" : "no allowed lane is sure to make the deadline, so the surest",
    );
  }
  const { option, tie } = cheapest(feasible, policyOf(snapshot));
  return place(option, `${tie ? "costs the same and spares real-time capacity" : "least expected cost"}: ${option.why}`);
}

function fallbackTaken(job: PlanJob, levels: readonly Level[], taken: Level | null): FallbackTaken | null {
  if (taken === null || taken.fallback === null) return null;
  const { name, endpoint, notes } = taken.fallback;
  const routed = job.first?.name === name && levels[0] === taken;
  return { name, endpoint, notes, why: routed ? `routed: ${job.first?.why}` : whyNotBefore(levels, taken) };
}

/** Every lane of every model in the chain; those of a model behind the taken one are not in question, unless they could not have been anyway. */
function candidatesOf(levels: readonly Level[], taken: Level | null): Candidate[] {
  const last = taken === null ? levels.length : levels.indexOf(taken);
  return levels.flatMap(({ name, judged }, at) =>
    judged.map((option): Candidate => {
      const candidate = toCandidate(option);
      if (levels.length === 1) return candidate;
      const spare = at > last && candidate.eligible;
      return { ...candidate, model: name, ...(spare ? { eligible: false, why: `not needed while ${taken?.name ?? name} can answer` } : {}) };
    }),
  );
}

/** The option of least expected cost; among equals the one that spends least real-time capacity, if it is likely in time by itself. */
function cheapest(feasible: readonly Option[], policy: Policy): { option: Option; tie: boolean } {
  const sorted = [...feasible].sort((a, b) => {
    const x = a.expectedNano;
    const y = b.expectedNano;
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0) || a.finishMs - b.finishMs;
    return x < y ? -1 : x > y ? 1 : frugality(a.lane) - frugality(b.lane);
  });
  const [first] = sorted;
  if (first === undefined) throw new Error("invariant broken: nothing to choose from");
  const least = first.expectedNano;
  if (least === null) return { option: first, tie: false };
  const bound = Number(least) * (1 + policy.equalCost);
  const equals = sorted.filter((o) => o.expectedNano !== null && Number(o.expectedNano) <= bound && o.inTime >= policy.equalInTime);
  const option = equals.sort((a, b) => frugality(a.lane) - frugality(b.lane))[0] ?? first;
  return { option, tie: option !== first };
}

/** The pool if it is as quick as real time's tail, else whichever finishes first. */
function urgent(runnable: readonly Option[]): Option {
  const quickest = fastest(runnable, false);
  const pool = runnable.find((o) => o.lane === "pool");
  return pool !== undefined && (pool.finishMs <= quickest.needsMs || pool === quickest) ? pool : quickest;
}

/**
 * Where no lane is sure: the one likeliest to answer within `leftMs`, real time favoured. Where that is hardly likely either, or the deadline has passed, the one that is all but
 * certain to have answered first: for a job that is late the typical batch means little beside one that takes a day.
 */
function surest(runnable: readonly Option[], leftMs: number, policy: Policy): Option {
  const misses = (o: Option): number => (1 - o.doneBy(leftMs)) * (laneClass(o.lane) === "realtime" ? policy.realtimeFavour : 1);
  const likeliest = runnable.reduce((a, b) => (misses(b) < misses(a) ? b : a));
  return likeliest.doneBy(leftMs) > policy.worthTrying ? likeliest : runnable.reduce((a, b) => (b.needsMs < a.needsMs ? b : a));
}

/** The lane with the earliest expected finish; with `realtimeFirst`, a real-time lane wherever one may run the job. */
function fastest(runnable: readonly Option[], realtimeFirst: boolean): Option {
  const realtime = runnable.filter((o) => laneClass(o.lane) === "realtime");
  const pool = realtimeFirst && realtime.length > 0 ? realtime : runnable;
  return pool.reduce((a, b) => (b.finishMs < a.finishMs ? b : a));
}

const refusal = (code: Refusal["code"], message: string, earliestFeasibleAtMs: number | null = null): Refusal => ({
  kind: "refuse",
  code,
  message,
  earliestFeasibleAtMs,
});

function infeasible(runnable: readonly Option[], nowMs: number): Refusal {
  const needs = runnable.reduce((least, o) => Math.min(least, o.needsMs), Number.POSITIVE_INFINITY);
  const atMs = Number.isFinite(needs) ? Math.ceil((nowMs + needs) / 1000) * 1000 : null;
  const lanes = runnable.map((o) => o.lane).join(", ");
  const when = atMs === null ? "they promise no time at all" : `the earliest deadline they can promise is ${new Date(atMs).toISOString()}`;
  return refusal("deadline-infeasible", `No allowed lane (${lanes}) can make this deadline; ${when}.`, atMs);
}

/** Names what keeps the job from every lane, the mendable cause first. */
function noLane(levels: readonly Level[], job: PlanJob): Refusal {
  const judged = levels.flatMap((level) => level.judged);
  const dear = judged.filter((o) => o.out === "too-dear");
  if (dear.length > 0) {
    const least = dear
      .flatMap((o) => (o.priceNano === null ? [] : [o.priceNano]))
      .reduce<bigint | null>((a, b) => (a === null || b < a ? b : a), null);
    const price = least === null ? "its price is unknown" : `the cheapest allowed lane is estimated at ${formatUsd(nano(least))} USD`;
    return refusal("over-max-cost", `The request could cost more than max_cost_usd: ${price}.`);
  }
  if (judged.some((o) => o.out === "unpriced"))
    return refusal("model-unpriced", `The model '${job.model}' has no price and this tenant does not allow unpriced models.`);
  const waiting = judged.filter((o) => o.out === "unavailable");
  if (waiting.length > 0)
    return refusal("lane-unavailable", `No lane can take the request right now: ${waiting.map((o) => `${o.lane} (${o.why})`).join(", ")}.`);
  if (judged.some((o) => o.out === "rejected"))
    return refusal("provider-refused", `The request was refused by ${levels.map(({ name }) => `'${name}'`).join(", ")}, as the attempts show.`);
  const able = [...new Set(judged.flatMap((o) => (o.out === "not-allowed" ? [o.lane] : [])))].join(", ");
  const unable = [...new Set(judged.flatMap((o) => (o.out === "not-allowed" ? [] : [`${o.lane}: ${o.why}`])))].join("; ");
  const those = unable === "" ? "" : ` (${unable})`;
  return refusal(
    "lanes-empty",
    able === ""
      ? `No lane here serves '${job.model}' at ${job.endpoint}${those}.`
      : `The allowed lanes cannot serve '${job.model}' at ${job.endpoint}${those}; ${able} could.`,
  );
}
