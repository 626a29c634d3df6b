import type { Endpoint } from "@slowboat/contract";
import type { InteractiveReply } from "@slowboat/dispatch";
import { FAULTS, type FaultCode, fault, LIMITS } from "@slowboat/kernel";
import { keepLease, LEASE_MS } from "@slowboat/runtime";
import { type CallClaim, claimCall, fileCallLog, finishCall, readCallOutcome, releaseCall, renewCall } from "@slowboat/store";
import { asAsked } from "@slowboat/translate";
import type { AppDeps } from "../http/env.ts";
import type { Keyed } from "../http/idempotency.ts";

/** A synchronous call under an Idempotency-Key. */
export interface OnceCall extends Keyed {
  readonly tenantId: string;
  readonly route: string;
  /** The id of this request. */
  readonly requestId: string;
  readonly stream: boolean;
  /** The caller's line. */
  readonly signal: AbortSignal;
}

/** Runs calls once a key. */
export type RunOnce = (
  call: OnceCall,
  run: () => Promise<InteractiveReply>,
) => Promise<{ readonly reply: InteractiveReply; readonly replayed: boolean }>;

/** Another process's call is looked at this often; one of this process tells when it has ended. */
const LOOK_MS = 500;
/** As long as a call may take, and its retries. */
const PATIENCE_MS = LIMITS.syncDeadlineMs;

/**
 * Makes the runner of keyed calls. The first request with a key runs; the same request again waits for its answer and gets it; another
 * body under the key is a fault. What may succeed at another try (an overload, a full lane) frees the key; what may have been paid for
 * does not. A stream cannot be given twice: its key is refused while it runs and after.
 */
export function runOnce(deps: Pick<AppDeps, "store" | "clock">): RunOnce {
  const { store, clock } = deps;
  const flights = new Map<string, Promise<unknown>>();

  const first = async (claim: CallClaim, run: () => Promise<InteractiveReply>): Promise<InteractiveReply> => {
    const lease = keepLease(() => renewCall(store.sql, claim, clock.real() + LEASE_MS), new AbortController().signal);
    try {
      const reply = await run();
      if (mayTryAgain(reply)) await releaseCall(store.sql, claim);
      else await finishCall(store.sql, claim, reply.jobId);
      return reply;
    } catch (thrown) {
      // Nothing was sent. A claim that cannot be given up runs out by itself.
      await releaseCall(store.sql, claim).catch(() => undefined);
      throw thrown;
    } finally {
      lease.end();
    }
  };

  return async (call, run) => {
    const claim = { tenantId: call.tenantId, route: call.route, key: call.key, claimant: call.requestId };
    const name = [call.tenantId, call.route, call.key].join("\n");
    const startedAt = performance.now();
    for (;;) {
      const realMs = clock.real();
      const terms = { fingerprint: call.fingerprint, nowMs: clock.job(), realMs, untilRealMs: realMs + LEASE_MS, ttlMs: LIMITS.idempotencyTtlMs };
      const owner = await claimCall(store.sql, { ...claim, ...terms });
      if (owner.kind === "mine") {
        const flight = first(claim, run);
        const ended = flight.catch(() => undefined).finally(() => flights.delete(name));
        flights.set(name, ended);
        return { reply: await flight, replayed: false };
      }
      if (owner.fingerprint !== call.fingerprint) throw fault("idempotency-mismatch", { param: "Idempotency-Key" });
      if (owner.jobId !== null) return { reply: await again(deps, call, owner.jobId), replayed: true };
      if (call.stream || call.signal.aborted || performance.now() - startedAt > PATIENCE_MS) throw fault("idempotency-in-flight");
      await endOrPause(flights.get(name), call.signal);
    }
  };
}

/** True when the same call may come to something else later, and nothing was paid for. */
function mayTryAgain(reply: InteractiveReply): boolean {
  if (reply.kind === "failed") return reply.fault.retryable;
  return reply.kind === "answer" && (reply.statusCode >= 500 || [408, 409, 429].includes(reply.statusCode));
}

/** Resolves when the call of this process has ended, after a while, or when the caller hangs up. */
async function endOrPause(flight: Promise<unknown> | undefined, signal: AbortSignal): Promise<void> {
  const pause = Promise.withResolvers<void>();
  const timer = setTimeout(pause.resolve, LOOK_MS);
  const hungUp = (): void => pause.resolve();
  signal.addEventListener("abort", hungUp, { once: true });
  await Promise.race(flight === undefined ? [pause.promise] : [pause.promise, flight]);
  clearTimeout(timer);
  signal.removeEventListener("abort", hungUp);
}

/** What the call came to, once more. */
async function again(deps: Pick<AppDeps, "store">, call: OnceCall, jobId: string): Promise<InteractiveReply> {
  const read = async () => await readCallOutcome(deps.store.sql, { tenantId: call.tenantId, jobId });
  let outcome = await read();
  // What has just been answered may only be logged.
  if (!outcome?.answer) {
    await fileCallLog(deps.store);
    outcome = await read();
  }
  if (call.stream) {
    if (outcome?.state === "placed" && outcome.statusCode === null) throw fault("idempotency-in-flight");
    throw fault("wrong-state", { message: `A stream is not given twice. GET /v1/jobs/${jobId} has what it came to.` });
  }
  const who = {
    jobId,
    lane: outcome?.lane ?? "",
    emulated: outcome?.emulated ?? false,
    requestId: outcome?.requestId ?? null,
    limits: {},
    fallback: outcome?.otherModel ?? null,
  };
  if (outcome?.answer && outcome.statusCode !== null) {
    const raw = { statusCode: outcome.statusCode, body: outcome.answer, wire: outcome.otherEndpoint as Endpoint | null };
    const context = { id: jobId.replace("job_", ""), model: outcome.otherModel ?? "", nowMs: outcome.answeredAtMs ?? 0 };
    const said = asAsked(raw, outcome.endpoint as Endpoint, context);
    return { kind: "answer", ...who, ...said, cachedFrom: null, retryAfterMs: null };
  }
  const { code, message } = JSON.parse(outcome?.error ?? "{}") as { code?: string; message?: string };
  if (code !== undefined && Object.hasOwn(FAULTS, code))
    return { kind: "failed", ...who, fault: fault(code as FaultCode, message === undefined ? {} : { message }) };
  throw fault("wrong-state", { message: `The answer that this Idempotency-Key stands for is no longer kept (${jobId}).` });
}
