import { createQueue, type Queue } from "@slowboat/queue";
import { inject } from "vitest";
import type { TestDatabase } from "./test-database.ts";

/** A bell on the test's own database; close it before the database is dropped. What handlers throw goes to `onError`. */
export const testQueue = (database: TestDatabase, onError?: (error: Error) => void): Promise<Queue> =>
  createQueue({ backend: "postgres", url: database.url, max: 3, lockMs: 2000, ...(onError ? { onError } : {}) });

/** The Redis suite's server, in `*.redis.test.ts`. */
export const testRedisUrl = (): string => inject("redisUrl");
