import { setTimeout as pause } from "node:timers/promises";
import type { Bench, BenchOptions, BenchReport, Figure } from "../bench.ts";
import { startApps, startEmulator } from "../stack/apps.ts";
import { openClient } from "../stack/client.ts";
import { type Ground, prepareGround } from "../stack/ground.ts";
import { rounded } from "../stats.ts";
import { type Bill, type LiveWorld, liveBill, twinBill } from "./twin.ts";
import { type LiveJob, LONGEST_MS, makeWork } from "./work.ts";

const FULL = { jobs: 2_000, scale: 60, spanMs: 7_200_000 };
/** With a quarter of an hour of slack at most, all of it passes in half a minute. */
const QUICK = { jobs: 150, scale: 60, spanMs: 600_000, longestMs: 900_000 };
const LUCK_SLOT_MS = 300_000;
const FLEX_REFUSALS = 0.1;
/** Of the scheduler: machine ms between two looks. */
const TICK_MS = 200;
/** How far the two bills may be apart. */
const APART = 0.05;
/** Machine ms after the last deadline until everything has ended. */
const PATIENCE_MS = 180_000;

/** What the live run came to. */
export interface LiveRun {
  readonly live: Bill;
  readonly simulated: Bill;
  readonly jobs: number;
  readonly unfinished: number;
  /** The live bill over the simulator's, less one. */
  readonly apart: number;
}

/**
 * The running stack against the emulator, and the simulator with the same arrivals, deadlines, tokens, prices and the same luck of the provider's queues: whether what the
 * simulator says of costs holds for what runs.
 */
export const liveBench: Bench = async (options) => {
  const size = options.quick ? QUICK : FULL;
  return report(await runLive({ ...size, ...given(options), seed: options.seed }, options.say));
};

const given = ({ jobs, scale }: BenchOptions): { jobs?: number; scale?: number } => ({
  ...(jobs === undefined ? {} : { jobs }),
  ...(scale === undefined ? {} : { scale }),
});

/** Runs the jobs and reckons both bills. */
export async function runLive(
  size: { readonly jobs: number; readonly scale: number; readonly spanMs: number; readonly seed: number; readonly longestMs?: number },
  say: (text: string) => void,
): Promise<LiveRun> {
  const world: LiveWorld = { seed: size.seed, scale: size.scale, tickMs: TICK_MS, luckSlotMs: LUCK_SLOT_MS, flexRefusals: FLEX_REFUSALS };
  const stops: (() => void | Promise<void>)[] = [];
  try {
    const ground = await prepareGround(undefined, size.scale);
    stops.push(ground.stop);
    const flags = { latency: "prior", seed: world.seed, "luck-slot-ms": LUCK_SLOT_MS, "flex-refusals": FLEX_REFUSALS };
    const emulator = await startEmulator(
      ground,
      Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]),
    );
    stops.push(emulator.child.stop);
    const apps = await startApps(ground, { upstreamUrl: emulator.url, anthropic: true, profileDir: null });
    stops.push(apps.stop);
    const work = makeWork(size.jobs, size.spanMs, size.seed, size.longestMs);
    await submitAll(ground, apps.url, { work, scale: size.scale }, say);
    const unfinished = await drain(ground, PATIENCE_MS + LONGEST_MS / size.scale, say);
    const live = await liveBill(ground.store);
    const simulated = await twinBill(ground.store, world);
    return { live, simulated, jobs: size.jobs, unfinished, apart: Number(live.paidNano) / Number(simulated.paidNano) - 1 };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Each job goes at its instant, whatever became of those before it. */
async function submitAll(
  ground: Ground,
  url: string,
  { work, scale }: { readonly work: readonly LiveJob[]; readonly scale: number },
  say: (text: string) => void,
): Promise<void> {
  const client = openClient(url, ground.key, 16);
  try {
    const startMs = performance.now();
    const sent: Promise<unknown>[] = [];
    for (const [no, { atMs, envelope }] of work.entries()) {
      const waitMs = startMs + atMs / scale - performance.now();
      if (waitMs > 0) await pause(waitMs);
      sent.push(client.post("/v1/jobs", envelope));
      if ((no + 1) % 250 === 0) say(`${no + 1} of ${work.length} jobs submitted`);
    }
    await Promise.all(sent);
  } finally {
    await client.close();
  }
}

/** Waits until everything has ended and is in the ledger; gives back how many jobs have not by then. */
async function drain(ground: Ground, patienceMs: number, say: (text: string) => void): Promise<number> {
  const untilMs = performance.now() + patienceMs;
  for (let look = 0; ; look++) {
    const [row] = await ground.store.sql<{ live: number; open: number }[]>`
      select (select count(*)::int from job where state in ('accepted', 'placed')) as live,
        (select count(*)::int from attempt where state in ('intent', 'sending', 'placed', 'answered')) + (select count(*)::int from call_log) as open`;
    if (row !== undefined && row.live === 0 && row.open === 0) return 0;
    if (performance.now() > untilMs) return row?.live ?? 0;
    if (look % 20 === 19) say(`${row?.live ?? 0} jobs left`);
    await pause(500);
  }
}

const dollars = (nano: bigint): string => `$${(Number(nano) / 1e9).toFixed(6)}`;
const percent = (share: number): string => `${share >= 0 ? "+" : ""}${rounded(100 * share, 2)} %`;

function report({ live, simulated, jobs, unfinished, apart }: LiveRun): BenchReport {
  const lanes = [...new Set([...live.lanes.keys(), ...simulated.lanes.keys()])].sort();
  const held = Math.abs(apart) <= APART && unfinished === 0;
  const rows = lanes.map((lane) => ({ lane, live: live.lanes.get(lane) ?? 0n, simulated: simulated.lanes.get(lane) ?? 0n }));
  const figures: Figure[] = [
    ...rows.map((row) => ({ what: `  ${row.lane}`, ours: dollars(row.live), beside: `simulated ${dollars(row.simulated)}` })),
    { what: `paid for ${jobs} jobs`, ours: dollars(live.paidNano), beside: `simulated ${dollars(simulated.paidNano)}` },
    { what: "  apart", ours: percent(apart), beside: `limit ${100 * APART} %: ${held ? "held" : "NOT HELD"}` },
    { what: "deadlines missed", ours: String(live.missed), beside: `simulated ${simulated.missed}` },
  ];
  return {
    ran: true,
    failed: !held,
    results: {
      jobs,
      unfinished,
      paid_nano_usd: String(live.paidNano),
      simulated_nano_usd: String(simulated.paidNano),
      apart: rounded(apart, 4),
      missed: live.missed,
      simulated_missed: simulated.missed,
      lanes: rows.map((row) => ({ lane: row.lane, paid_nano_usd: String(row.live), simulated_nano_usd: String(row.simulated) })),
    },
    figures,
    notes: [
      "Live: intake, scheduler and results service against the emulator. Simulated: the same arrivals, deadlines, tokens as billed, prices, refusals, and the emulator's own draws of what a batch takes that is sent in a given five minutes.",
    ],
  };
}
