/**
 * How long a lease on a row lasts without a sign of life, in machine ms. Short, because this is how long work waits after its
 * worker was killed; long against a pause of the event loop or of the database.
 */
export const LEASE_MS = 15_000;
const RENEW_MS = LEASE_MS / 5;
/** Past this age of the last sign of life another worker may soon believe us dead: work that must not run twice stops. */
const UNSURE_MS = LEASE_MS * 0.7;

/** A lease under renewal. */
export interface KeptLease {
  /** Aborts with the caller's signal, and when the lease is lost or can no longer be vouched for. */
  readonly signal: AbortSignal;
  lost(): boolean;
  /** Ends the renewal; the row itself is given back by whoever took it. */
  end(): void;
}

/** Renews a lease that was just taken until `end`. `renew` resolves with false when another has it; a failed renewal is tried again. */
export function keepLease(renew: () => Promise<boolean>, signal: AbortSignal): KeptLease {
  const loss = new AbortController();
  let surelyOursAt = performance.now();
  const timer = setInterval(() => {
    const askedAt = performance.now();
    if (askedAt - surelyOursAt > UNSURE_MS) loss.abort(new Error("a lease was not renewed in time"));
    renew().then(
      (ours) => {
        if (ours) surelyOursAt = askedAt;
        else loss.abort(new Error("a lease was taken over"));
      },
      () => undefined, // the age of the last success decides
    );
  }, RENEW_MS);
  return { signal: AbortSignal.any([signal, loss.signal]), lost: () => loss.signal.aborted, end: () => clearInterval(timer) };
}
