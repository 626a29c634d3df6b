import { readdirSync } from "node:fs";
import { join } from "node:path";
import {
  ALL_REALTIME,
  BASELINES,
  hindsight,
  inTime,
  linearBound,
  loadSolver,
  MIXES,
  type Mix,
  OURS,
  type Policy,
  replay,
  runWorld,
  type TraceRow,
} from "@slowboat/sim";
import type { Bench, BenchOptions, BenchReport, Figure } from "../bench.ts";
import { percentile, rounded } from "../stats.ts";
import { isTrace, readTrace, traceName } from "./read-trace.ts";

const POOL_SHARES = [0, 0.15, 0.35] as const;
const DRAWS = { full: 30_000, quick: 4_000 };
const SEEDS = 3;
/** Nano-USD of a prompt token's work in the world's price list. */
const NANO_A_WORK = 250;
/** Cost over the bound that is aimed at, by pool share: what hindsight cannot be asked of. */
const AIMS: Readonly<Record<Mix, readonly number[]>> = {
  "interactive-heavy": [1.12, 1.28, 1.5],
  mixed: [1.1, 1.25, 1.35],
  overnight: [1.1, 1.25, 1.35],
};

/** A policy in one or more worlds. */
interface Tally {
  readonly costRatios: number[];
  missed: number;
  feasible: number;
  /** Jobs that were in time, feasible or not. */
  met: number;
  readonly choiceMs: number[];
  readonly rescueMinutes: number[];
}

interface Row {
  readonly trace: string;
  readonly mix: Mix;
  readonly poolShare: number;
  readonly jobs: number;
  readonly tallies: ReadonlyMap<string, Tally>;
}

/**
 * What the scheduler's choices cost against the least that hindsight could have paid, and which deadlines they miss, beside what others do under the
 * same luck: public traces, three published mixes of deadlines, twelve hours of an incident, three sizes of pool.
 */
export const scheduleBench: Bench = async (options) => {
  const files = options.dataDir === null ? [] : readdirSync(options.dataDir).filter(isTrace).sort();
  const solver = await loadSolver();
  const rows: Row[] = [];
  for (const file of files) {
    const trace = readTrace(join(options.dataDir ?? "", file));
    for (const mix of Object.keys(MIXES) as Mix[])
      for (const poolShare of POOL_SHARES) {
        if (options.quick && poolShare === 0.15) continue;
        options.say(`${traceName(file)}, ${mix}, pool ${poolShare}`);
        rows.push(compare(options, solver, trace, { trace: traceName(file), mix, poolShare }));
      }
  }
  return report(rows, files.length === 0 ? ["*.csv", "*.jsonl", "*.jsonl.gz"] : []);
};

type Solver = Parameters<typeof linearBound>[0];

function compare({ seed, quick }: BenchOptions, solver: Solver, trace: readonly TraceRow[], what: Pick<Row, "trace" | "mix" | "poolShare">): Row {
  const tallies = new Map<string, Tally>();
  let jobs = 0;
  for (let i = 0; i < (quick ? 1 : SEEDS); i++) {
    const spec = replay(trace, { mix: what.mix, poolShare: what.poolShare, draws: quick ? DRAWS.quick : DRAWS.full, seed: seed + i });
    const { groups, work } = hindsight(spec);
    const leastNano = linearBound(solver, groups, work, spec.poolRate) * work * NANO_A_WORK;
    const feasible = runWorld(spec, ALL_REALTIME, { unchecked: true }).states.map(inTime);
    jobs += spec.jobs.length;
    for (const policy of [...BASELINES, OURS]) {
      const { states, paidNano, choiceMs, rescueSlackMs } = runWorld(spec, policy, { clock: () => performance.now(), unchecked: true });
      const tally = tallyOf(tallies, policy);
      tally.costRatios.push(Number(paidNano) / leastNano);
      tally.missed += states.filter((state, no) => feasible[no] && !inTime(state)).length;
      tally.feasible += feasible.filter(Boolean).length;
      tally.met += states.filter(inTime).length;
      for (const ms of choiceMs) tally.choiceMs.push(ms);
      for (const ms of rescueSlackMs) tally.rescueMinutes.push(ms / 60_000);
    }
  }
  return { ...what, jobs, tallies };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function tallyOf(tallies: Map<string, Tally>, policy: Policy): Tally {
  const known = tallies.get(policy.name) ?? { costRatios: [], missed: 0, feasible: 0, met: 0, choiceMs: [], rescueMinutes: [] };
  tallies.set(policy.name, known);
  return known;
}

const costOf = ({ costRatios }: Tally): number => rounded(costRatios.reduce((sum, ratio) => sum + ratio, 0) / costRatios.length, 3);
const missedOf = ({ missed, feasible }: Tally): number => rounded((10_000 * missed) / Math.max(1, feasible), 2);
const metOf = ({ met }: Tally, jobs: number): number => rounded(met / Math.max(1, jobs), 4);
const quantile = (samples: readonly number[], p: number): number => (samples.length === 0 ? 0 : percentile(samples, p));

function report(rows: readonly Row[], skipped: readonly string[]): BenchReport {
  const mixes = rows.map(({ trace, mix, poolShare, jobs, tallies }) => {
    const ours = tallies.get(OURS.name) as Tally;
    return {
      trace,
      mix,
      pool_share: poolShare,
      jobs,
      ours: {
        cost_ratio: costOf(ours),
        missed_per_10k: missedOf(ours),
        met: metOf(ours, jobs),
        decision_p99_ms: rounded(quantile(ours.choiceMs, 0.99), 3),
        rescue_slack_q999_minutes: rounded(quantile(ours.rescueMinutes, 0.999), 1),
      },
      baselines: BASELINES.map(({ name }) => {
        const tally = tallies.get(name) as Tally;
        return { name, cost_ratio: costOf(tally), missed_per_10k: missedOf(tally), met: metOf(tally, jobs) };
      }),
    };
  });
  const figures = mixes.map(({ trace, mix, pool_share, ours, baselines }): Figure => {
    const aim = AIMS[mix][POOL_SHARES.indexOf(pool_share as (typeof POOL_SHARES)[number])] ?? 0;
    const others = baselines
      .map(({ name, cost_ratio, missed_per_10k, met }) => `${name} ${cost_ratio} (${missed_per_10k}; ${percent(met)})`)
      .join(" · ");
    return {
      what: `${trace}, ${mix}, pool ${pool_share}`,
      ours: `${ours.cost_ratio} (${ours.missed_per_10k}; ${percent(ours.met)})`,
      beside: `aim ${aim} · ${others}`,
    };
  });
  return {
    results: { mixes, ...(skipped.length === 0 ? {} : { skipped }) },
    figures,
    notes: [
      "Cost over the clairvoyant bound; in brackets the deadlines missed in 10,000 that all real time meets under the same luck and limits, and the share of all deadlines met.",
      "The bound is a linear programme that knows every arrival and every turnaround. It cuts work anywhere, within ten minutes it is not asked when,",
      "and a batch is free to be sent at the best instant. The mixes of deadlines, half of the jobs having a flex tier, and the prices are ours.",
    ],
    ran: rows.length > 0,
  };
}
