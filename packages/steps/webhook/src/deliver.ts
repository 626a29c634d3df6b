import { LIMITS, newId, type Rng } from "@slowboat/kernel";
import { type Clock, type Logger, openWebhookSecret } from "@slowboat/runtime";
import { claimEvents, type DeliveryOutcome, type DueEvent, recordDeliveries, type Store } from "@slowboat/store";
import { Webhook } from "standardwebhooks";
import { type Dispatcher, request } from "undici";
import { guardedAgent } from "./guarded-agent.ts";
import { nextTry } from "./schedule.ts";

export interface Deliverer {
  /** Delivers everything that is due, at most `limit` events, and says how many it tried. */
  deliverDue(signal: AbortSignal, limit?: number): Promise<number>;
  close(): Promise<void>;
}

/** A claimed event comes back after this long if its deliverer dies. */
const LEASE_MS = 60_000;
const CONCURRENCY = 16;

/**
 * Makes the deliverer. Each event is signed with the secret of the key that owns it (`secret` opens the seal) and posted once; only
 * 2xx counts, redirects are failures. Every try leaves a delivery row.
 */
export function createDeliverer(deps: {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly secret: string;
  readonly allow: readonly string[];
}): Deliverer {
  const agent = guardedAgent(deps.allow, LIMITS.webhookTimeoutMs);
  return {
    deliverDue: async (signal, limit = 200) => {
      const due = await claimEvents(deps.store.sql, { realMs: deps.clock.real(), leaseMs: LEASE_MS, limit });
      const outcomes: DeliveryOutcome[] = [];
      const lane = async (): Promise<void> => {
        for (let event = due.pop(); event && !signal.aborted; event = due.pop()) outcomes.push(await tryOnce(deps, agent, event));
      };
      await Promise.all(Array.from({ length: Math.min(CONCURRENCY, due.length) }, lane));
      await recordDeliveries(deps.store.sql, outcomes);
      return outcomes.length;
    },
    close: () => agent.close(),
  };
}

async function tryOnce(deps: Parameters<typeof createDeliverer>[0], agent: Dispatcher, event: DueEvent): Promise<DeliveryOutcome> {
  const atRealMs = deps.clock.real();
  const started = performance.now();
  const tryNo = event.tries + 1;
  const { statusCode, retryAfterMs, error } = await post(deps.secret, agent, event, atRealMs);
  const delivered = statusCode !== null && statusCode >= 200 && statusCode < 300;
  const pause = delivered ? null : nextTry(tryNo, statusCode, retryAfterMs, deps.rng);
  const outcome: DeliveryOutcome = {
    deliveryId: newId("delivery", atRealMs, deps.rng),
    eventId: event.id,
    tenantId: event.tenantId,
    tryNo,
    atRealMs,
    durationMs: Math.round(performance.now() - started),
    statusCode,
    error,
    state: delivered ? "delivered" : pause === null ? "dead" : "pending",
    nextTryRealMs: pause === null ? null : deps.clock.real() + pause,
  };
  deps.logger[delivered ? "debug" : "warn"](
    { eventId: event.id, tenantId: event.tenantId, type: event.type, tryNo, statusCode, error, state: outcome.state },
    "webhook-delivered",
  );
  return outcome;
}

async function post(
  secret: string,
  agent: Dispatcher,
  event: DueEvent,
  atRealMs: number,
): Promise<{ statusCode: number | null; retryAfterMs: number | null; error: string | null }> {
  try {
    const at = new Date(atRealMs);
    const signature = new Webhook(openWebhookSecret(event.secretSealed, secret, event.keyId)).sign(event.id, at, event.payload);
    const reply = await request(event.url, {
      method: "POST",
      dispatcher: agent,
      signal: AbortSignal.timeout(LIMITS.webhookTimeoutMs),
      headers: {
        "content-type": "application/json",
        "user-agent": "Slowboat-Webhooks/1",
        "webhook-id": event.id,
        "webhook-timestamp": String(Math.floor(atRealMs / 1000)),
        "webhook-signature": signature,
      },
      body: event.payload,
    });
    await reply.body.dump({ limit: 65_536, signal: AbortSignal.timeout(LIMITS.webhookTimeoutMs) });
    const after = Number(reply.headers["retry-after"]);
    const failed = reply.statusCode < 200 || reply.statusCode > 299;
    return {
      statusCode: reply.statusCode,
      retryAfterMs: Number.isFinite(after) ? after * 1000 : null,
      error: failed ? `status ${reply.statusCode}` : null,
    };
  } catch (error) {
    return { statusCode: null, retryAfterMs: null, error: error instanceof Error ? error.message.slice(0, 300) : "unknown error" };
  }
}
