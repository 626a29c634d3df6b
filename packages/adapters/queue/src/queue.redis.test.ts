import { testRedisUrl, until } from "@slowboat/testkit";
import { Queue as BullMq } from "bullmq";
import { Redis } from "ioredis";
import { beforeAll, expect, test } from "vitest";
import { createQueue } from "./index.ts";
import { type Place, queueConformance } from "./queue.conformance.ts";

const PREFIX = "slowboat-test";
let places = 0;
const url = testRedisUrl();

/** Forgets this suite's keys. Somebody else's keys are a reason to stop: this suite empties the server. */
async function empty(redis: Redis): Promise<void> {
  const keys = await redis.keys("*");
  const foreign = keys.filter((key) => !key.startsWith(PREFIX));
  if (foreign.length > 0) throw new Error(`REDIS_URL names a server with ${foreign.length} keys of others; give the tests one of their own`);
  if (keys.length > 0) await redis.del(keys);
}
beforeAll(async () => {
  const redis = new Redis(url);
  await empty(redis).finally(() => redis.quit());
});

queueConformance(async (): Promise<Place> => {
  const prefix = `${PREFIX}-${++places}`;
  const redis = new Redis(url);
  const clients = async (): Promise<number> =>
    String(await redis.client("LIST"))
      .trim()
      .split("\n").length;
  const before = await clients();
  return {
    options: { backend: "redis", url, prefix },
    addForeign: async (name, data) => {
      const queue = new BullMq(name, { connection: { url }, prefix });
      await queue.add("foreign", data);
      await queue.close();
    },
    end: async () => {
      try {
        await until(async () => (await clients()) <= before, "every connection closed", 20_000);
        await empty(redis);
      } finally {
        await redis.quit();
      }
    },
  };
});

test("a consumer outlives FLUSHALL in the middle of its work, and later rings are handled", async () => {
  const queue = await createQueue({ backend: "redis", url, prefix: `${PREFIX}-flushed`, onError: () => undefined });
  const redis = new Redis(url);
  try {
    const seen = new Set<string>();
    const emptied = Promise.withResolvers<void>();
    await queue.consume("populate", 3, async ({ batchId }) => {
      seen.add(batchId);
      await emptied.promise;
    });
    await queue.ring(
      "populate",
      Array.from({ length: 50 }, (_, i) => ({ batchId: `lost_${i}` })),
    );
    await until(() => seen.size === 3, "three in hand");
    await redis.flushall(); // of a server that holds nothing else: see beforeAll
    emptied.resolve();
    await queue.ring(
      "populate",
      Array.from({ length: 20 }, (_, i) => ({ batchId: `later_${i}` })),
    );
    await until(() => [...seen].filter((id) => id.startsWith("later_")).length === 20, "the later ones handled");
  } finally {
    await queue.close();
    await empty(redis).finally(() => redis.quit());
  }
});

test("what was rung is kept as ids for a minute after it was handled, never by number, and the stream of events is capped", async () => {
  const prefix = `${PREFIX}-kept`;
  const queue = await createQueue({ backend: "redis", url, prefix });
  const redis = new Redis(url);
  try {
    let handled = 0;
    await queue.consume("populate", 4, async () => void handled++);
    await queue.ring(
      "populate",
      Array.from({ length: 20 }, (_, i) => ({ batchId: `batch_${i}` })),
    );
    await until(() => handled === 20, "all handled");
    const completed = `${prefix}:{populate-0}:completed`;
    await until(async () => (await redis.zcard(completed)) === 20, "all are kept");
    const [id] = await redis.zrange(completed, 0, 0);
    const kept = await redis.hgetall(`${prefix}:{populate-0}:${id}`);
    expect(JSON.parse(kept["data"] ?? "")).toEqual({ batchId: expect.stringMatching(/^batch_\d+$/) });
    expect(JSON.parse(kept["opts"] ?? "")).toMatchObject({ removeOnComplete: { age: 60 }, removeOnFail: { age: 3600 } });
    expect(JSON.stringify(kept).length).toBeLessThan(600);
    expect(await redis.hget(`${prefix}:{populate-0}:meta`, "opts.maxLenEvents")).toBe("1000");
  } finally {
    await queue.close();
    await empty(redis).finally(() => redis.quit());
  }
});

test("a server that is not there is said at once", async () => {
  await expect(createQueue({ backend: "redis", url: "redis://127.0.0.1:1", onError: () => undefined })).rejects.toThrow("REDIS_URL");
});
