/** Every bound of a lane, named once. Times are machine ms; sizes are characters of decoded text. */
export const BOUNDS = {
  connectMs: 10_000,
  /** One real-time call, from the first byte out to the last byte in. */
  callMs: 600_000,
  /** Flex may wait for capacity: the provider asks for 15 minutes. */
  flexMs: 900_000,
  /** Creating, listing, polling or cancelling a provider batch. */
  controlMs: 60_000,
  /** Sending a batch's requests (up to 256 MB). */
  uploadMs: 600_000,
  /** Longest silence while results are downloaded. */
  downloadIdleMs: 120_000,
  /** How long a stream is read on for its usage after its consumer has left. */
  drainMs: 120_000,
  answerChars: 128 * 1024 * 1024,
  errorChars: 256 * 1024,
  /** One server-sent event. */
  eventChars: 32 * 1024 * 1024,
  /** One row of a batch's results; an embedding row with thousands of inputs is the longest. */
  rowChars: 128 * 1024 * 1024,
  /** Batches looked through for an orphan: pages of 100; a provider creates at most 2,000 an hour. */
  findPages: 50,
  /** Sockets to one origin. */
  connections: 256,
  /** A real-time call waits for its turn, before it is sent. */
  paceMs: 10_000,
  /** Calls that wait for their turn at one model. */
  pacedCalls: 10_000,
  /** Models of one account whose pace is remembered. */
  pacedModels: 1_000,
  /** A longer wish of the provider's is cut to this: the scheduler decides again long before. */
  retryAfterMs: 3_600_000,
} as const;
