import { testRedisUrl, until } from "@slowboat/testkit";
import { Queue as BullMq } from "bullmq";
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { createQueue } from "./index.ts";
import { type Place, queueConformance } from "./queue.conformance.ts";

let places = 0;
const url = testRedisUrl();

queueConformance(async (): Promise<Place> => {
  const prefix = `test-${process.pid}-${++places}`;
  const redis = new Redis(url);
  const clients = async (): Promise<number> => String(await redis.client("LIST")).trim().split("\n").length;
  const before = await clients();
  return {
    options: { backend: "redis", url, prefix },
    addForeign: async (name, data) => {
      const queue = new BullMq(name, { connection: { url }, prefix });
      await queue.add("foreign", data);
      await queue.close();
    },
    end: async () => {
      await until(async () => (await clients()) <= before, "every connection closed", 3000).finally(() => redis.quit());
    },
  };
});

test("a consumer outlives FLUSHALL in the middle of its work, and later rings are handled", async () => {
  const queue = await createQueue({ backend: "redis", url, prefix: "flushed", onError: () => undefined });
  const redis = new Redis(url);
  try {
    const seen = new Set<string>();
    const emptied = Promise.withResolvers<void>();
    await queue.consume("populate", 3, async ({ batchId }) => {
      seen.add(batchId);
      await emptied.promise;
    });
    await queue.ring("populate", Array.from({ length: 50 }, (_, i) => ({ batchId: `lost_${i}` })));
    await until(() => seen.size === 3, "three in hand");
    await redis.flushall();
    emptied.resolve();
    await queue.ring("populate", Array.from({ length: 20 }, (_, i) => ({ batchId: `later_${i}` })));
    await until(() => [...seen].filter((id) => id.startsWith("later_")).length === 20, "the later ones handled");
  } finally {
    await queue.close();
    await redis.quit();
  }
});

test("a server that is not there is said at once", async () => {
  await expect(createQueue({ backend: "redis", url: "redis://127.0.0.1:1", onError: () => undefined })).rejects.toThrow("REDIS_URL");
});
