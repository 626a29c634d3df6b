/** Every bound of the system, named once. Bytes, counts or ms as the name's last word says. */
export const LIMITS = {
  /** Single native or drop-in request body. */
  requestBodyBytes: 32 * 1024 * 1024,
  /** One file upload, and one batch input (the provider's own bound is 200 MB = 200,000,000 rounded up to MiB). */
  batchFileBytes: 200 * 1024 * 1024,
  /** One Anthropic-style batch create body. */
  messageBatchBytes: 256 * 1024 * 1024,
  /** Request bodies that one process holds at a time. */
  bodiesInFlightBytes: 256 * 1024 * 1024,
  /** One JSONL line, or one request of a message batch: as large as a request of its own may be. */
  lineBytes: 32 * 1024 * 1024,
  /** Jobs that are due and not planned yet, beyond which nothing more is accepted for later; some minutes of the planner's work. */
  dueBacklog: 500_000,
  /** Single jobs that wait for their commit at a time in one process. */
  arrivalsInFlight: 5_000,
  batchLines: 50_000,
  messageBatchRequests: 100_000,
  /** Bad lines listed one by one in a failed batch; the rest is counted. */
  listedLineErrors: 50_000,
  jsonDepth: 64,
  metadataPairs: 16,
  metadataKeyChars: 64,
  metadataValueChars: 512,
  customIdChars: 512,
  /** Jobs that one queue job stands for. */
  chunkJobs: 500,
  /** Longest deadline a synchronous call may ask for. */
  syncDeadlineMs: 10 * 60_000,
  /** Attempts of one job before it fails. */
  jobAttempts: 6,
  idempotencyKeyChars: 255,
  idempotencyTtlMs: 24 * 3_600_000,
  webhookPayloadBytes: 20_000,
  webhookTimeoutMs: 15_000,
  callbackUrlChars: 2048,
  listPage: 100,
  /** The shortest time that content is kept after its end. */
  retentionMinMs: 3_600_000,
  /** How far ahead a deadline may lie. */
  deadlineAheadMs: 30 * 24 * 3_600_000,
} as const;
