/**
 * What tests stand on: a database of one's own on the run's Postgres, a queue on it, a clock that moves when told, dice with a seed,
 * checks that nothing was left open.
 */
export { watchLeaks } from "./leaks.ts";
export { seedTenant, type TestTenant } from "./seed-tenant.ts";
export { teachReuse } from "./teach-reuse.ts";
export { type TestClock, testClock, testRng } from "./test-clock.ts";
export { type TestDatabase, testDatabase } from "./test-database.ts";
export { testJob } from "./test-job.ts";
export { testQueue, testRedisUrl } from "./test-queue.ts";
export { until } from "./until.ts";
