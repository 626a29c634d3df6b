import { createPostgresBackend, createRedisBackend, Queue, runMigrations, Worker } from "bullmq";
import pg from "pg";

export type Backend = "postgres" | "redis";

const ADD_BULK = 500;
const CONCURRENCY = 50;
const PAYLOAD = "x".repeat(400);
const KEEP_SECONDS = 60;
const POOL = 10;
const PATIENCE_MS = 180_000;

/**
 * The peer: BullMQ by itself with a job that does nothing, `jobs` of them added in bulks of 500 while a worker with concurrency 50 drains
 * them. Gives back jobs a second from the first add to the last completion.
 */
export async function rawBullmq(backend: Backend, url: string, jobs: number, name: string): Promise<number> {
  const factory = (backend === "postgres" ? createPostgresBackend : createRedisBackend) as typeof createRedisBackend;
  const { hostname, port, username, password, pathname } = new URL(url);
  const redis = { host: hostname, port: Number(port || 6379), username, password, db: Number(pathname.slice(1) || 0), maxRetriesPerRequest: null };
  const connection = backend === "postgres" ? ({ connectionString: url, max: POOL } as never) : redis;
  if (backend === "postgres") await migrate(url);
  const queue = new Queue(
    name,
    { connection, defaultJobOptions: { removeOnComplete: { age: KEEP_SECONDS }, removeOnFail: { age: KEEP_SECONDS } } },
    factory,
  );
  let done = 0;
  const { promise: drained, resolve, reject } = Promise.withResolvers<void>();
  const worker = new Worker(name, async () => undefined, { connection, concurrency: CONCURRENCY }, factory);
  worker.on("completed", () => {
    if (++done === jobs) resolve();
  });
  worker.on("error", reject);
  const late = setTimeout(() => reject(new Error(`raw BullMQ finished ${done} of ${jobs} jobs in time`)), PATIENCE_MS);
  try {
    await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()]);
    const started = performance.now();
    for (let at = 0; at < jobs; at += ADD_BULK) {
      await queue.addBulk(
        Array.from({ length: Math.min(ADD_BULK, jobs - at) }, (_, i) => ({ name: "no-op", data: { no: at + i, payload: PAYLOAD } })),
      );
    }
    await drained;
    return jobs / ((performance.now() - started) / 1000);
  } finally {
    clearTimeout(late);
    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
  }
}

async function migrate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await runMigrations(client);
  } finally {
    await client.end();
  }
}
