import type { BenchReport } from "../bench.ts";
import { rounded } from "../stats.ts";

/** The ways to the upstream that are compared. */
export type Way = "direct" | "ours" | "portkey";

/** One figure of the contract. */
export interface Speed {
  readonly rps: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/** What was measured at one number of connections. */
export type Speeds = Readonly<Record<Way, Speed>>;

const WANTED_RATIO = 2;

/** The figures of the contract, and the table with the peer beside ours. */
export function reportOf(run: {
  readonly c1: Speeds;
  readonly c32: Speeds;
  readonly answered: number;
  /** The longest that settlement needed after the last answer of a stretch. */
  readonly lagMsMax: number;
}): BenchReport {
  const { c1, c32 } = run;
  const ratio = rounded(c32.ours.rps / c32.portkey.rps, 2);
  const held = (is: boolean): string => (is ? "held" : "NOT HELD");
  const added = (speeds: Speeds, way: "ours" | "portkey"): number => rounded(speeds[way].p50_ms - speeds.direct.p50_ms, 2);
  const rows = (name: string, speeds: Speeds): BenchReport["figures"] => [
    {
      what: `${name}, requests a second`,
      ours: `${speeds.ours.rps}`,
      beside: `Portkey ${speeds.portkey.rps}; without a gateway ${speeds.direct.rps}`,
    },
    { what: "  added to the median", ours: `${added(speeds, "ours")} ms`, beside: `Portkey ${added(speeds, "portkey")} ms` },
    { what: "  p50", ours: `${speeds.ours.p50_ms} ms`, beside: `Portkey ${speeds.portkey.p50_ms} ms; without ${speeds.direct.p50_ms} ms` },
    { what: "  p99", ours: `${speeds.ours.p99_ms} ms`, beside: `Portkey ${speeds.portkey.p99_ms} ms; without ${speeds.direct.p99_ms} ms` },
  ];
  return {
    ran: true,
    results: { c1, c32, ratio_rps_c32: ratio },
    figures: [
      ...rows("1 connection", c1),
      ...rows("32 connections", c32),
      { what: "requests a second at 32, ours to Portkey", ours: String(ratio), beside: `limit ${WANTED_RATIO}: ${held(ratio >= WANTED_RATIO)}` },
      { what: "p99 at 32", ours: `${c32.ours.p99_ms} ms`, beside: `Portkey ${c32.portkey.p99_ms} ms: ${held(c32.ours.p99_ms < c32.portkey.p99_ms)}` },
    ],
    notes: [
      `${run.answered} calls through ours, each with one settled attempt, one result and one balanced ledger transaction; none had a kept answer.`,
      `The ledger had caught up at most ${rounded(run.lagMsMax)} ms after the last answer of a stretch, before the next one began.`,
      "Ours: one intake process with key check, decision and ledger, Postgres with fsync on, scheduler and results service beside it on the same cores.",
      "Portkey: @portkey-ai/gateway from npm in one process, in production, without console, key check, decision or ledger. Both ask the same upstream.",
    ],
  };
}
