/** The last attempt of a job that waits, as far as it says why. */
export interface EndedAttempt {
  readonly lane: string;
  readonly state: string;
  readonly errorCode: string | null;
}

/** What an accepted job waits for, in words for its caller; `null` for one that is on a lane or has ended. */
export function waitingFor(
  job: { readonly state: string; readonly waitReason: string | null },
  lastAttempt: EndedAttempt | undefined,
): string | null {
  if (job.state !== "accepted") return null;
  if (job.waitReason !== null) return job.waitReason;
  if (lastAttempt === undefined) return "the scheduler has not looked at it yet";
  return `${lastAttempt.lane}: ${lastAttempt.errorCode ?? lastAttempt.state}; it is decided again`;
}
