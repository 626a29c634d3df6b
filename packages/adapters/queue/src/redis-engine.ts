import { createRedisBackend } from "bullmq";
import { Redis } from "ioredis";
import type { Engine } from "./engine.ts";

/**
 * BullMQ on Redis or Valkey. A ring fails soon when the server is away, for the sweep will ring again; a consumer waits for it
 * without end.
 */
export async function redisEngine(url: string, onError: (error: Error) => void): Promise<Engine> {
  const producer = new Redis(url, { maxRetriesPerRequest: 3, connectTimeout: 5000, lazyConnect: true });
  const consumer = new Redis(url, { maxRetriesPerRequest: null, connectTimeout: 5000, lazyConnect: true });
  for (const connection of [producer, consumer]) connection.on("error", onError);
  try {
    await producer.connect();
    await consumer.connect();
  } catch (cause) {
    producer.disconnect();
    consumer.disconnect();
    throw new Error("The Redis at REDIS_URL does not answer.", { cause });
  }
  return {
    backend: "redis",
    factory: createRedisBackend as Engine["factory"],
    producer,
    consumer,
    close: async () => {
      for (const connection of [producer, consumer]) {
        if (connection.status === "ready") await connection.quit().catch(() => connection.disconnect());
        else connection.disconnect();
      }
    },
  };
}
