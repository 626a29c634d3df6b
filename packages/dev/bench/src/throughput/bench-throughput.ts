import { fileURLToPath } from "node:url";
import type { Bench, BenchOptions } from "../bench.ts";
import { NOWHERE, startApps } from "../stack/apps.ts";
import { prepareGround } from "../stack/ground.ts";
import { median, rounded } from "../stats.ts";
import { ourThroughput } from "./ours.ts";
import { type Backend, rawBullmq } from "./raw-bullmq.ts";
import { startReceiver } from "./receiver.ts";
import { findRedis } from "./redis.ts";

const FULL = { jobs: 30_000, raw: 5000, rounds: 3 };
const QUICK = { jobs: 4000, raw: 2000, rounds: 2 };
const WARM = { jobs: 1000, raw: 500 };
const WANTED_RATIO = 2;
const LANES = fileURLToPath(new URL("./lanes.ts", import.meta.url));

interface Measured {
  readonly backend: Backend;
  readonly ours: readonly number[];
  readonly raw: readonly number[];
}

/** Jobs a second from upload to webhook, against BullMQ by itself doing nothing, on each backend that is here. */
export const throughputBench: Bench = async (options) => {
  const stops: (() => Promise<void>)[] = [];
  try {
    options.say("starting Postgres");
    const ground = await prepareGround();
    stops.push(ground.stop);
    const receiver = await startReceiver();
    stops.push(receiver.close);
    const redis = await findRedis(ground.dir);
    if (redis) stops.push(redis.stop);
    const measured: Measured[] = [];
    for (const backend of redis ? (["postgres", "redis"] as const) : (["postgres"] as const)) {
      const redisUrl = backend === "redis" && redis ? { redisUrl: redis.url } : {};
      const apps = await startApps(ground, {
        upstreamUrl: NOWHERE,
        lanesModule: LANES,
        ...redisUrl,
        callbackAllow: [receiver.address],
        profileDir: options.profileDir,
      });
      try {
        const url = backend === "redis" && redis ? redis.url : ground.postgres.socketUrl;
        measured.push(await measure(options, backend, { bed: { ground, url: apps.url, lane: apps.scheduler, receiver }, url }));
      } finally {
        await apps.stop();
      }
    }
    return reportOf(measured, redis ? [] : ["redis: neither REDIS_URL nor a redis-server on the PATH"]);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
};

async function measure(
  options: BenchOptions,
  backend: Backend,
  on: { readonly bed: Parameters<typeof ourThroughput>[0]; readonly url: string },
): Promise<Measured> {
  const size = options.quick ? QUICK : FULL;
  let round = 0;
  const raw = (jobs: number): Promise<number> => rawBullmq(backend, on.url, jobs, `bench-${process.pid}-${round}`);
  const ours = (jobs: number): Promise<number> => ourThroughput(on.bed, options.seed + 1000 * round, jobs);
  await raw(WARM.raw);
  await ours(WARM.jobs);
  const measured = { backend, ours: [] as number[], raw: [] as number[] };
  for (round = 1; round <= size.rounds; round++) {
    measured.raw.push(await raw(size.raw));
    measured.ours.push(await ours(size.jobs));
    options.say(`${backend}, round ${round}: raw BullMQ ${rounded(measured.raw.at(-1) ?? 0)} /s, ours ${rounded(measured.ours.at(-1) ?? 0)} /s`);
  }
  return measured;
}

function reportOf(measured: readonly Measured[], skipped: readonly string[]): Awaited<ReturnType<Bench>> {
  const backends = measured.map(({ backend, ours, raw }) => ({
    backend,
    jobs_per_second: rounded(median(ours)),
    raw_bullmq_per_second: rounded(median(raw)),
    ratio: rounded(median(ours) / median(raw), 2),
  }));
  return {
    ran: backends.length > 0,
    results: { backends, ...(skipped.length > 0 ? { skipped } : {}) },
    figures: backends.flatMap(({ backend, jobs_per_second: ours, raw_bullmq_per_second: raw, ratio }) => [
      { what: `${backend}: jobs through all six steps`, ours: `${ours} /s`, beside: `raw BullMQ no-op jobs: ${raw} /s` },
      {
        what: "  ratio",
        ours: String(ratio),
        beside: backend === "postgres" ? `limit ${WANTED_RATIO}: ${ratio >= WANTED_RATIO ? "held" : "NOT HELD"}` : "shown beside it",
      },
    ]),
    notes: [
      "From the first upload to the last webhook; 1 kB chat bodies, batches of 2,000 lines, chunks of at most 500. The instant lane answers inside the scheduler, as raw BullMQ's no-op job ends inside its worker.",
      "Every webhook was verified and came once; every job has one result and one balanced ledger transaction; the lane was called once a job.",
      ...skipped.map((one) => `skipped: ${one}`),
    ],
  };
}
