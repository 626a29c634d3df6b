import { z } from "zod";

/**
 * Every queue, by the braces that Redis Cluster hashes: one shard a lane on Postgres, more on Redis. A payload holds ids
 * only; the rows in Postgres are the truth and a lost job is rung again by a sweep.
 */
export const QUEUES = {
  /** Some jobs are due for a decision. */
  plan: { name: "{plan-0}", payload: z.strictObject({}) },
  /** A batch file waits to be validated and turned into jobs. */
  populate: { name: "{populate-0}", payload: z.strictObject({ batchId: z.string() }) },
  /** A chunk of attempts, or one provider batch, waits for its lane. */
  "lane-call": { name: "{lane-call-0}", payload: z.strictObject({ dispatchId: z.string() }) },
  "lane-batch": { name: "{lane-batch-0}", payload: z.strictObject({ dispatchId: z.string() }) },
  "lane-pool": { name: "{lane-pool-0}", payload: z.strictObject({ dispatchId: z.string() }) },
  /** Some attempts are answered and wait for result and ledger. */
  settle: { name: "{settle-0}", payload: z.strictObject({ dispatchId: z.string().nullable() }) },
  /** A batch may have seen its last job end. */
  finalise: { name: "{finalise-0}", payload: z.strictObject({ batchId: z.string() }) },
  /** A webhook event is due. */
  deliver: { name: "{deliver-0}", payload: z.strictObject({}) },
} as const;

export type QueueName = keyof typeof QUEUES;
export type Payload<N extends QueueName> = z.infer<(typeof QUEUES)[N]["payload"]>;
