import { type LaneId, laneProvider } from "@slowboat/contract";
import { batchCdf, batchQuantile, type LaneView, type PlanJob, rescueAtMs, type Snapshot } from "@slowboat/plan";
import { quote } from "@slowboat/pricing";
import { byDecide } from "./desk.ts";
import type { Choice, Policy } from "./policy.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** What the baselines keep for a real-time answer, and what they add to the pool's wait. */
const NEED_MS = 60_000;
const POOL_MARGIN = 1.15;

/** The house: `decide`, with everything it can be told. */
export const OURS: Policy = { name: "slowboat", choose: byDecide, pulls: true, restarts: true, learns: true, eager: false, relegates: true };

interface Ask {
  readonly job: PlanJob;
  readonly snapshot: Snapshot;
  readonly nowMs: number;
  readonly slackMs: number;
  /** Whether the job may go there now. */
  readonly may: (kind: "pool" | "batch" | "flex" | "realtime") => boolean;
}

/** A baseline is a rule for the lane's kind and for when its rescue begins; `null` for no rescue. */
type Rule = (ask: Ask) => { readonly kind: "pool" | "batch" | "flex" | "realtime"; readonly startAtMs?: number | null };

function baseline(name: string, rule: Rule, eager = false): Policy {
  return {
    name,
    pulls: false,
    restarts: false,
    learns: false,
    eager,
    relegates: false,
    choose(job, snapshot, nowMs): Choice {
      const provider = job.candidates.find((one) => one.provider !== "pool")?.provider ?? "openai";
      const laneOf = { pool: "pool", batch: `${provider}-batch`, flex: `${provider}-flex`, realtime: provider } as const;
      const view = (lane: LaneId): LaneView | undefined => snapshot.lanes.find((one) => one.id === lane);
      const may = (kind: keyof typeof laneOf): boolean => {
        const lane = laneOf[kind];
        if (view(lane)?.available !== true || job.deny?.includes(lane) || (kind === "pool" && snapshot.pool === null)) return false;
        if (kind === "batch" && job.lanesTried.some((one) => one.lane === lane && one.outcome === "missed")) return false;
        return !quote(snapshot.book, job, lane, nowMs).unpriced;
      };
      const slackMs = job.deadlineAtMs === null ? 0 : job.deadlineAtMs - nowMs;
      const ruled = job.deadlineAtMs === null ? { kind: "realtime" as const } : rule({ job, snapshot, nowMs, slackMs, may });
      const kind = may(ruled.kind) ? ruled.kind : may("realtime") ? "realtime" : null;
      if (kind === null) return { kind: "wait" };
      const lane = laneOf[kind];
      const price = quote(snapshot.book, job, lane, nowMs);
      const rescue = view(laneProvider(lane === "pool" ? provider : lane));
      let startAtMs: number | null = null;
      if (kind !== "realtime" && job.deadlineAtMs !== null && rescue !== undefined) {
        const facts = { outputTokens: job.outputTokens, deadlineAtMs: job.deadlineAtMs, together: snapshot.batchLines };
        startAtMs = ruled.startAtMs === undefined ? rescueAtMs(lane, "cancel", rescue, facts, snapshot, nowMs) : ruled.startAtMs;
        if (startAtMs !== null && startAtMs <= nowMs) return byDecide({ ...job, role: "rescue" }, snapshot, nowMs);
      }
      return { kind: "place", lane, latestStartAtMs: startAtMs, priceNano: price.unpriced ? 0n : price.nano };
    },
  };
}

const poolWaitMs = ({ pool }: Snapshot): number =>
  pool === null ? Number.POSITIVE_INFINITY : (pool.backlogTokens / pool.tokensPerSecond) * 1000 * POOL_MARGIN;
const intoPool = ({ snapshot, slackMs, may }: Ask): boolean => may("pool") && poolWaitMs(snapshot) + NEED_MS < slackMs;
const restOf = ({ slackMs, may }: Ask): { kind: "flex" | "realtime" } => ({ kind: may("flex") && slackMs > 5 * MINUTE_MS - 1 ? "flex" : "realtime" });

/** Only lanes that are sure enough of the batch: `share` of batches must have ended ten minutes before the deadline. */
const gate =
  (share: number): Rule =>
  (ask) => {
    if (intoPool(ask)) return { kind: "pool" };
    if (ask.may("batch") && batchCdf(ask.slackMs - 600_000, ask.snapshot.batchLines) >= share) return { kind: "batch" };
    return restOf(ask);
  };

/** Everything in real time, by deadline: what is feasible at all under a world's draws and limits. */
export const ALL_REALTIME: Policy = baseline("all real time", () => ({ kind: "realtime" }));

/** What others do, under the same luck. */
export const BASELINES: readonly Policy[] = [
  ALL_REALTIME,
  baseline("24 h goes to batch", ({ job, nowMs }) => ({ kind: (job.deadlineAtMs ?? 0) - nowMs >= DAY_MS - MINUTE_MS ? "batch" : "realtime" })),
  // A batch's typical worst (90 % are back) must fit into the slack less 15 % of it; what is not back by then goes to real time.
  baseline(
    "risk buffer of 15 %",
    (ask) => {
      const startAtMs = Math.floor(ask.nowMs + 0.85 * ask.slackMs);
      const q90 = batchQuantile(0.9, ask.snapshot.batchLines) ?? Number.POSITIVE_INFINITY;
      if (ask.may("pool") && poolWaitMs(ask.snapshot) < 0.85 * ask.slackMs - NEED_MS / 4) return { kind: "pool", startAtMs };
      if (ask.may("batch") && q90 < 0.85 * ask.slackMs) return { kind: "batch", startAtMs };
      return ask.slackMs > 5 * MINUTE_MS - 1 && ask.may("flex") ? { kind: "flex", startAtMs } : { kind: "realtime" };
    },
    true,
  ),
  // Own models take everything; what they have not served within a ramp of minutes^.56 before the deadline overflows to paid real time.
  baseline("deadline ramp", (ask) => {
    const rampMs = (ask.slackMs / MINUTE_MS) ** 0.56 * MINUTE_MS;
    return ask.may("pool") && rampMs < ask.slackMs ? { kind: "pool", startAtMs: Math.floor(ask.nowMs + ask.slackMs - rampMs) } : { kind: "realtime" };
  }),
  baseline("99 % gate", gate(0.99)),
];
