/** The life of a job, an attempt and a batch: their states and the only legal transitions. A status is set nowhere else. */
export { ATTEMPT_TERMINAL, type AttemptState, attemptMay, attemptSourcesOf } from "./attempt.ts";
export { BATCH_TERMINAL, type BatchState, batchMay, batchSourcesOf } from "./batch.ts";
export { JOB_LIVE, JOB_TERMINAL, type JobState, jobMay, sourcesOf } from "./job.ts";
