import { setTimeout as pause } from "node:timers/promises";
import type { Bench, BenchOptions, BenchReport } from "../bench.ts";
import { startApps, startEmulator } from "../stack/apps.ts";
import { type Client, openClient } from "../stack/client.ts";
import { type Ground, prepareGround } from "../stack/ground.ts";
import { rounded } from "../stats.ts";
import { type Billed, type Reckoning, reckon } from "./reckon.ts";
import { ARMS, type Arm, linesOf, type Size } from "./workload.ts";

const FULL: Size = { prefixes: 20, jobsEach: 80, without: 400 };
const QUICK: Size = { prefixes: 5, jobsEach: 50, without: 60 };
/**
 * How much faster job time runs. Full: an entry of five minutes lives thirty seconds, which leaves a small machine the time for eight thousand
 * jobs. Quick: five seconds, for fewer.
 */
const SCALE = { full: 10, quick: 60 };
/** The median of what is published of batch turnarounds: 6.1 minutes. */
const TURNAROUND_MS = 366_000;
const PATIENCE_MS = 600_000;
const WANTED = 1.05;

/**
 * What the prompt cache brings through the whole stack, from the upload to the ledger, at both providers in real time and in batches: paid
 * by the emulator's own bill, against the same tokens uncached and against the least that could have been paid.
 */
export const promptCacheBench: Bench = async (options) => {
  const stops: (() => Promise<void>)[] = [];
  try {
    options.say("starting Postgres, the emulator and the services");
    const ground = await prepareGround(undefined, options.quick ? SCALE.quick : SCALE.full);
    stops.push(ground.stop);
    const emulator = await startEmulator(ground, [
      "--latency",
      "prior",
      "--seed",
      String(options.seed),
      "--batch-turnaround-ms",
      String(TURNAROUND_MS),
    ]);
    stops.push(emulator.child.stop);
    const apps = await startApps(ground, { upstreamUrl: emulator.url, anthropic: true, profileDir: options.profileDir });
    stops.push(apps.stop);
    const client = openClient(apps.url, ground.key, 4);
    stops.push(client.close);
    const size = options.quick ? QUICK : FULL;
    const batches = await submitAll(options, client, size);
    await untilSettled(options, ground, [...batches.values()], ARMS.length * (size.prefixes * size.jobsEach + size.without));
    return reportOf(options, size, await reckonAll(ground, emulator.url, batches));
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
};

/** Uploads the arms' lines and makes a batch of each; gives back its id. */
async function submitAll(options: BenchOptions, client: Client, size: Size): Promise<Map<Arm, string>> {
  const batches = new Map<Arm, string>();
  for (const [i, arm] of ARMS.entries()) {
    const lines = linesOf(arm, size, options.seed + 1000 * i);
    const file = await client.upload(
      `${arm.way}-${arm.provider}.jsonl`,
      (async function* () {
        yield lines;
      })(),
    );
    const metadata = { allow: arm.way === "batch" ? "batch,realtime" : "realtime" };
    const batch = await client.post(
      "/v1/batches",
      JSON.stringify({ input_file_id: file, endpoint: arm.endpoint, completion_window: "24h", metadata }),
    );
    batches.set(arm, String(batch["id"]));
    options.say(`${arm.way} at ${arm.provider}: ${rounded(lines.byteLength / 1e6)} MB submitted, seed ${options.seed + 1000 * i}`);
  }
  return batches;
}

async function untilSettled(options: BenchOptions, ground: Ground, batches: readonly string[], jobs: number): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  let told = 0;
  for (;;) {
    const [row] = await ground.store.sql<{ done: number; failed: number }[]>`
      select count(*) filter (where state = 'completed')::int as done, count(*) filter (where state = 'failed')::int as failed
      from job where batch_id = any(${batches as string[]}::text[])`;
    const { done = 0, failed = 0 } = row ?? {};
    if (failed > 0) throw new Error(`${failed} jobs failed`);
    if (done === jobs) return;
    if (performance.now() > until) throw new Error(`${done} of ${jobs} jobs were done after ${PATIENCE_MS / 1000} s`);
    if (done - told >= jobs / 5) {
      told = done;
      options.say(`${done} of ${jobs} jobs settled`);
    }
    await pause(250);
  }
}

interface Charge extends Omit<Billed, "customId"> {
  readonly clientRequestId: string | null;
  readonly customId: string | null;
}

/** Takes the emulator's bill apart by arm, and holds the ledger against it: what was paid, and what the prompt cache saved. */
async function reckonAll(ground: Ground, emulatorUrl: string, batches: ReadonlyMap<Arm, string>): Promise<Map<Arm, Reckoning>> {
  const reply = await fetch(`${emulatorUrl}/emulator/invoice`, { signal: AbortSignal.timeout(30_000) });
  const { lines } = (await reply.json()) as { lines: Charge[] };
  const attempts = await ground.store.sql<{ id: string; customId: string; batchId: string }[]>`
    select a.id, j.custom_id as "customId", j.batch_id as "batchId" from attempt a join job j on j.id = a.job_id`;
  const byAttempt = new Map(attempts.map((row) => [row.id, row]));
  const byBatch = new Map<string, Billed[]>();
  for (const line of lines) {
    const row = byAttempt.get(line.customId ?? line.clientRequestId ?? "");
    if (row === undefined) throw new Error("a line of the bill belongs to no attempt");
    byBatch.set(row.batchId, [...(byBatch.get(row.batchId) ?? []), { ...line, customId: row.customId }]);
  }
  const found = new Map<Arm, Reckoning>();
  for (const [arm, batchId] of batches) {
    const reckoning = reckon(arm, byBatch.get(batchId) ?? []);
    const [ledger] = await ground.store.sql<{ paid: string; saved: string }[]>`
      select coalesce(sum(e.amount_nano) filter (where e.account like 'payable.%'), 0)::text as paid,
        coalesce(sum(e.amount_nano) filter (where e.account = 'saving.prompt-cache'), 0)::text as saved
      from ledger_txn t join ledger_entry e on e.txn_id = t.id join job j on j.id = t.job_id where j.batch_id = ${batchId}`;
    const said = `the ledger of ${arm.way} at ${arm.provider}`;
    if (BigInt(ledger?.paid ?? 0) !== reckoning.paid) throw new Error(`${said} says ${ledger?.paid} was paid where the bill says ${reckoning.paid}`);
    if (BigInt(ledger?.saved ?? 0) !== reckoning.uncached - reckoning.paid)
      throw new Error(`${said} says ${ledger?.saved} was saved where the bill comes to ${reckoning.uncached - reckoning.paid}`);
    found.set(arm, reckoning);
  }
  return found;
}

const dollars = (nano: bigint): string => `$${(Number(nano) / 1e9).toFixed(4)}`;

function reportOf(options: BenchOptions, size: Size, found: ReadonlyMap<Arm, Reckoning>): BenchReport {
  const of = (way: Arm["way"], provider: Arm["provider"]): Record<string, unknown> => {
    const [, r] = [...found].find(([arm]) => arm.way === way && arm.provider === provider) ?? [];
    if (r === undefined) return {};
    const over = rounded(Number(r.paid) / Number(r.minimum), 4);
    return { paid: String(r.paid), uncached: String(r.uncached), minimum: String(r.minimum), over_minimum: over, writes: r.writes, reads: r.reads };
  };
  const both = (way: Arm["way"]) => ({ openai: of(way, "openai"), anthropic: of(way, "anthropic") });
  return {
    ran: found.size > 0,
    results: { realtime: both("realtime"), batch: both("batch"), size: { prefixes: size.prefixes, jobs_each: size.jobsEach, without: size.without } },
    figures: [...found].map(([arm, r]) => {
      const over = Number(r.paid) / Number(r.minimum);
      return {
        what: `${arm.way} at ${arm.provider}`,
        ours: `${dollars(r.paid)}, ${((over - 1) * 100).toFixed(1)} % over`,
        beside: `minimum ${dollars(r.minimum)}, uncached ${dollars(r.uncached)}; within 5 %: ${over <= WANTED ? "held" : "NOT HELD"} (${r.writes} writes, ${r.reads} reads)`,
      };
    }),
    notes: [
      `${size.prefixes} system texts of 6,000 tokens with ${size.jobsEach} jobs each and ${size.without} jobs without; seeds ${ARMS.map((_, i) => options.seed + 1000 * i).join(", ")}.`,
      `From the upload to the ledger through the running services; job time at ${options.quick ? SCALE.quick : SCALE.full} times, batches of 6.1 minutes, real-time latencies as published.`,
      "Paid is the emulator's own bill; each arm's ledger equals it to the nano-dollar, and so does its line for the prompt cache, net of writes.",
    ],
  };
}
