import type { BackendFactory, ConnectionOptions, IQueueBackend, JobProgress, Queue, Worker } from "bullmq";

/** What BullMQ runs on: its connections, and how it is reached. */
export interface Engine {
  readonly backend: "postgres" | "redis";
  readonly factory: BackendFactory;
  readonly producer: ConnectionOptions;
  readonly consumer: ConnectionOptions;
  close(): Promise<void>;
}

/** BullMQ's classes on any backend. */
// biome-ignore lint/suspicious/noExplicitAny: payloads are checked by our own schemas
export type BullQueue = Queue<any, any, string, any, any, string, IQueueBackend>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type BullWorker = Worker<any, any, string, IQueueBackend, JobProgress>;
