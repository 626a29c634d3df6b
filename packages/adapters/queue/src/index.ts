/**
 * The bell: payloads of ids that wake whoever consumes, on BullMQ over Postgres or Redis. Nothing is remembered here that
 * Postgres' own rows do not say; a lost payload is rung again by a sweep, and every handler may run twice.
 */
export { createQueue, type QueueOptions } from "./create-queue.ts";
export { type Payload, QUEUES, type QueueName } from "./names.ts";
export type { Consumer, Queue } from "./port.ts";
export { type RedisAllowances, redisAllowances } from "./redis-allowances.ts";
export { redisPolicy } from "./redis-policy.ts";
