import { fileURLToPath } from "node:url";
import { seededRng } from "@slowboat/kernel";
import type { Bench } from "../bench.ts";
import { NOWHERE, startApps } from "../stack/apps.ts";
import { prepareGround } from "../stack/ground.ts";
import { percentile, rounded } from "../stats.ts";
import { measureBulk } from "./bulk.ts";
import { measureSingle } from "./single.ts";

const FULL = { pacedMs: 20_000, crowdMs: 10_000, lines: 50_000 };
const QUICK = { pacedMs: 6000, crowdMs: 3000, lines: 10_000 };
const LANES = fileURLToPath(new URL("./lanes.ts", import.meta.url));
const P99_LIMIT_MS = 15;
const RSS_LIMIT_MB = 150;

/** How fast work is accepted, where accepted means committed: single jobs, and one large batch. */
export const intakeBench: Bench = async ({ seed, quick, say, profileDir }) => {
  const size = quick ? QUICK : FULL;
  const stops: (() => Promise<void>)[] = [];
  try {
    say("starting Postgres and the apps");
    const ground = await prepareGround();
    stops.push(ground.stop);
    const apps = await startApps(ground, { upstreamUrl: NOWHERE, lanesModule: LANES, profileDir });
    stops.push(apps.stop);
    say("single jobs: 50 a second beside bare transactions, then 32 callers");
    const single = await measureSingle(ground, apps.url, seededRng(seed), size);
    say(`${single.accepted} accepted, every one found committed; now ${size.lines} lines`);
    const bulk = await measureBulk(ground, apps, seed, size.lines);
    return reportOf(single, bulk);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
};

function reportOf(single: Awaited<ReturnType<typeof measureSingle>>, bulk: Awaited<ReturnType<typeof measureBulk>>): Awaited<ReturnType<Bench>> {
  const p99 = (load: { readonly latencies: readonly number[] }): number => rounded(percentile(load.latencies, 0.99), 2);
  const bareP99 = p99(single.bare);
  const crowd = {
    per_second: rounded(single.crowd.latencies.length / single.crowd.seconds),
    p50_ms: rounded(percentile(single.crowd.latencies, 0.5), 2),
    p99_ms: p99(single.crowd),
  };
  const paced = { p99_ms: p99(single.paced) };
  const growthMb = rounded(bulk.rssGrowthBytes / 1e6, 1);
  const perSecond = rounded(bulk.lines / bulk.seconds);
  const limitMs = rounded(Math.max(P99_LIMIT_MS, 2 * bareP99), 2);
  const verdict = (value: number, limit: number): string => (value <= limit ? "held" : "NOT HELD");
  return {
    ran: true,
    results: {
      bare_transaction: { p99_ms: bareP99 },
      single: crowd,
      paced_50: paced,
      bulk: { lines: bulk.lines, bytes: bulk.bytes, lines_per_second: perSecond, output_bytes: bulk.outputBytes, rss_growth_mb: growthMb },
    },
    figures: [
      {
        what: "single job, 50 a second, p99",
        ours: `${paced.p99_ms} ms`,
        beside: `limit ${limitMs} ms (15 ms, or twice the bare transaction's ${bareP99} ms): ${verdict(paced.p99_ms, limitMs)}`,
      },
      { what: "single jobs, 32 callers", ours: `${crowd.per_second} /s`, beside: `a bare transaction paced at 50 a second: p99 ${bareP99} ms` },
      { what: "  p50", ours: `${crowd.p50_ms} ms`, beside: "" },
      { what: "  p99", ours: `${crowd.p99_ms} ms`, beside: "" },
      {
        what: `batch of ${bulk.lines} lines, ${rounded(bulk.bytes / 1e6)} MB`,
        ours: `${perSecond} lines/s`,
        beside: `upload alone ${rounded(bulk.bytes / 1e6 / bulk.uploadSeconds)} MB/s`,
      },
      {
        what: `  its results, ${rounded(bulk.outputBytes / 1e6)} MB`,
        ours: `${rounded(bulk.outputBytes / 1e6 / bulk.downloadSeconds)} MB/s`,
        beside: "every line answered",
      },
      {
        what: "  growth of the intake's peak memory, in and out",
        ours: `${growthMb} MB`,
        beside: `limit ${RSS_LIMIT_MB} MB: ${verdict(growthMb, RSS_LIMIT_MB)}`,
      },
    ],
    notes: [
      `${single.accepted} jobs accepted; a connection of its own found every one of them committed.`,
      "Postgres with fsync on; scheduler and results service running; an instant lane inside the scheduler stands for the provider.",
    ],
  };
}
