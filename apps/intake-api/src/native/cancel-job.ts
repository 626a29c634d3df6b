import { eventPayload } from "@slowboat/contract";
import { type JobState, jobMay } from "@slowboat/job";
import { newId } from "@slowboat/kernel";
import { announceEvents, endJobs, readJob } from "@slowboat/store";
import type { AppDeps } from "../http/env.ts";

/**
 * Cancels a tenant's job that has not ended and announces it in the same transaction. Soft-terminal: an answer that a lane has
 * already been paid for still completes the job. False when it had ended before.
 */
export async function cancelJob(
  deps: Pick<AppDeps, "store" | "queue" | "clock" | "rng" | "logger" | "desk">,
  of: { readonly tenantId: string; readonly id: string },
): Promise<boolean> {
  const { store, clock, rng } = deps;
  const nowMs = clock.job();
  const batchId = await store.begin(async (tx) => {
    const job = await readJob(tx, { ...of, lock: true });
    if (job === null || !jobMay(job.state as JobState, "cancelled")) return undefined;
    await endJobs(tx, [{ jobId: job.id, state: "cancelled", error: null }], nowMs);
    if (job.callbackUrl !== null) {
      const eventId = newId("event", nowMs, rng);
      const payload = eventPayload({
        eventId,
        type: "job.cancelled",
        createdAtMs: nowMs,
        subjectId: job.id,
        version: job.version + 1,
        customId: job.customId,
        metadata: job.metadata,
      });
      const event = {
        id: eventId,
        tenantId: job.tenantId,
        keyId: job.keyId,
        subjectId: job.id,
        url: job.callbackUrl,
        type: "job.cancelled",
        payload,
      };
      await announceEvents(tx, [event], { nowMs, realMs: clock.real() });
    }
    return job.batchId;
  });
  if (batchId === undefined) return false;
  deps.logger.info({ jobId: of.id, tenantId: of.tenantId }, "job-cancelled");
  // Jobs that waited for this one's answer are due now.
  deps.desk.wakePlanner();
  // What is rung here is found by a sweep as well: a bell that fails is no reason to fail the cancel.
  const bells: Promise<void>[] = [deps.queue.ring("deliver", [{}])];
  if (batchId !== null) bells.push(deps.queue.ring("finalise", [{ batchId }]));
  await Promise.allSettled(bells);
  return true;
}
