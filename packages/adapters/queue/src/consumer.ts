import { setTimeout as pause } from "node:timers/promises";
import { type Job, Worker } from "bullmq";
import type { BullWorker, Engine } from "./engine.ts";
import type { Consumer } from "./port.ts";

/** After its bound a stop aborts the handlers and gives them this long to end. */
const ABORT_GRACE_MS = 1000;
const STOP_MS = 10_000;
/** A payload whose consumers died this often is given up; the sweep rings again. */
const LOST_CONSUMERS = 3;

interface ConsumerOptions {
  readonly engine: Engine;
  readonly queueName: string;
  readonly prefix: string;
  readonly concurrency: number;
  readonly lockMs: number;
  readonly work: (job: Job, signal: AbortSignal) => Promise<void>;
  readonly onError: (error: Error) => void;
}

/**
 * Whether BullMQ (5.x, `lock-manager.js`) only says that a lock is gone whose handler has ended: it renews locks by a list that it took before, and a payload that was
 * done meanwhile has none. Nothing is lost by it.
 */
export function isEndedLock(error: Error, running: ReadonlySet<string>): boolean {
  const id = /^could not renew lock for job (.+)$/.exec(error.message)?.[1];
  return id !== undefined && !running.has(id);
}

/** Runs a BullMQ worker. A handler that throws ends its payload, not the worker. */
export async function startConsumer(options: ConsumerOptions): Promise<Consumer> {
  const running = new Set<string>();
  const worker = new Worker(
    options.queueName,
    async (job, _token, signal) => {
      const id = job.id ?? "";
      running.add(id);
      try {
        await options.work(job, signal ?? new AbortController().signal);
      } finally {
        running.delete(id);
      }
    },
    {
      connection: options.engine.consumer,
      prefix: options.prefix,
      concurrency: options.concurrency,
      lockDuration: options.lockMs,
      stalledInterval: options.lockMs,
      maxStalledCount: LOST_CONSUMERS,
      // Both backends wake a worker at once; this is how often an idle one looks all the same.
      drainDelay: 5,
      runRetryDelay: 1000,
    },
    options.engine.factory,
  );
  worker.on("error", (error) => {
    if (!isEndedLock(error, running)) options.onError(error);
  });
  worker.on("failed", (_job, error) => options.onError(error));
  // Whoever lost its lock is doing what another may be doing already.
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) worker.cancelJob(id, "the lock was lost");
  });
  try {
    await worker.waitUntilReady();
  } catch (error) {
    await worker.close(true);
    throw error;
  }
  let stopping: Promise<void> | null = null;
  return {
    stop: (timeoutMs = STOP_MS) => {
      stopping ??= stopWorker(worker, timeoutMs);
      return stopping;
    },
  };
}

/** BullMQ's own close waits for handlers without a bound. */
async function stopWorker(worker: BullWorker, timeoutMs: number): Promise<void> {
  const closed = worker.close();
  if (await endsWithin(closed, timeoutMs)) return;
  worker.cancelAllJobs("the process is stopping");
  if (await endsWithin(closed, ABORT_GRACE_MS)) return;
  // A handler that hears nothing keeps its payload; the lock runs out and another consumer gets it.
  await endsWithin(worker.disconnect(), ABORT_GRACE_MS);
}

async function endsWithin(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  const timer = new AbortController();
  const late = pause(timeoutMs, false, { signal: timer.signal }).catch(() => false);
  const ended = await Promise.race([work.then(() => true), late]);
  timer.abort();
  return ended;
}
