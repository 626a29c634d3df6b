import { randomUUID } from "node:crypto";
import { Queue as BullMq, type Job } from "bullmq";
import { startConsumer } from "./consumer.ts";
import type { BullQueue, Engine } from "./engine.ts";
import { type Payload, QUEUES, type QueueName } from "./names.ts";
import type { Consumer, Queue } from "./port.ts";
import { postgresEngine } from "./postgres-engine.ts";
import { redisEngine } from "./redis-engine.ts";

/** Finished payloads are kept this long, in seconds, to be looked at. Never by count, which deadlocks on Postgres. */
const KEEP = { age: 60 } as const;
const KEEP_FAILED = { age: 3600 } as const;
const EVENTS_KEPT = 1000;
const STOP_MS = 10_000;
const PREFIX = "slowboat";
const POOL_MAX = 8;

/** Which backend, and how. */
export type QueueOptions = (
  | { readonly backend: "postgres"; readonly url: string; readonly max?: number }
  | { readonly backend: "redis"; readonly url: string }
) & {
  /** Told of lost connections and of handlers that threw; without it they become process warnings. */
  readonly onError?: (error: Error, queue: QueueName | null) => void;
  /** First part of every Redis key; on Postgres the database divides. */
  readonly prefix?: string;
  /** After this much silence of a consumer, in ms, its payloads go to another. */
  readonly lockMs?: number;
};

/** Opens the bell on BullMQ. Rejects when the server cannot be reached now; a later loss is waited out. */
export async function createQueue(options: QueueOptions): Promise<Queue> {
  const tell = options.onError ?? ((error: Error) => process.emitWarning(error));
  const onEngineError = (error: Error): void => tell(error, null);
  const engine =
    options.backend === "postgres"
      ? await postgresEngine(options.url, options.max ?? POOL_MAX, onEngineError)
      : await redisEngine(options.url, onEngineError);
  const prefix = options.prefix ?? PREFIX;
  const queues = new Map<QueueName, BullQueue>();
  const consumers = new Set<Consumer>();

  const queue = (name: QueueName): BullQueue => {
    const known = queues.get(name);
    if (known) return known;
    const made = openQueue(engine, name, prefix);
    made.on("error", (error) => tell(error, name));
    queues.set(name, made);
    return made;
  };

  return {
    backend: engine.backend,
    ring: async (name, payloads, ring = {}) => {
      const { payload } = QUEUES[name];
      const jobs = payloads.map((one) => {
        const data = payload.parse(one);
        // BullMQ draws its own numbers from a sequence that it makes in the same transaction, which Postgres with `wal_level=minimal` sets back in a crash: a
        // payload with a number that was there before is taken for one that was handled.
        const opts = { jobId: randomUUID(), ...(ring.once ? { deduplication: { id: Object.values(data).join("-") || "all" } } : {}) };
        return { name, data, opts };
      });
      const [first] = jobs;
      // On Postgres a bulk makes and drops a temporary table, many times the work of a single job.
      if (first && jobs.length === 1) await queue(name).add(first.name, first.data, first.opts);
      else if (first) await queue(name).addBulk(jobs);
    },
    consume: async (name, concurrency, handler) => {
      const { payload } = QUEUES[name];
      const work = async (job: Job, signal: AbortSignal): Promise<void> => handler(payload.parse(job.data) as Payload<typeof name>, signal);
      const consumer = await startConsumer({
        engine,
        queueName: QUEUES[name].name,
        prefix,
        concurrency,
        lockMs: options.lockMs ?? 30_000,
        work,
        onError: (error) => tell(error, name),
      });
      consumers.add(consumer);
      return {
        stop: async (timeoutMs) => {
          await consumer.stop(timeoutMs);
          consumers.delete(consumer);
        },
      };
    },
    depth: async (name) => {
      const counts = await queue(name).getJobCounts("waiting", "active");
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    close: async () => {
      await Promise.all([...consumers].map((one) => one.stop(STOP_MS)));
      await Promise.all([...queues.values()].map((one) => one.close()));
      await engine.close();
    },
  };
}

function openQueue(engine: Engine, name: QueueName, prefix: string): BullQueue {
  return new BullMq(
    QUEUES[name].name,
    {
      connection: engine.producer,
      prefix,
      // Retries are rows of ours: here a payload is tried once.
      defaultJobOptions: { attempts: 1, removeOnComplete: KEEP, removeOnFail: KEEP_FAILED },
      streams: { events: { maxLen: EVENTS_KEPT } },
    },
    engine.factory,
  );
}
