import { Redis } from "ioredis";
import { afterEach, expect, inject, test } from "vitest";
import { midWork } from "./testing/moments.ts";
import { type Run, startRun } from "./testing/run.ts";

const TEST_MS = 180_000;

let run: Run | undefined;

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") console.error(await run?.story());
  await run?.remove();
  run = undefined;
});

test(
  "FLUSHALL in the middle of 2,000 jobs, again and again, loses no job and doubles no ledger entry",
  async () => {
    const url = inject("redisUrl");
    const redis = new Redis(url);
    try {
      run = await startRun({ REDIS_URL: url });
      for (const part of ["scheduler", "gpu-worker", "results-service", "scheduler", "scheduler", "results-service"] as const) {
        await run.submit(`${part}-${run.accepted.batches.length}`);
        await midWork(run.at, part);
        expect(await redis.dbsize()).toBeGreaterThan(0);
        await redis.flushall();
      }
      expect(await run.findings(6)).toEqual([]);
      expect(await run.at.stop()).toBe(0);
    } finally {
      await redis.quit();
    }
  },
  TEST_MS,
);
