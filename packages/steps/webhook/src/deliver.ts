import { LIMITS, newId, type Rng } from "@slowboat/kernel";
import type { Clock, Logger } from "@slowboat/runtime";
import {
  claimEvents,
  clearEndpoint,
  countFailure,
  type DeliveryOutcome,
  type DueEvent,
  pauseEndpoint,
  recordDelivery,
  type Store,
} from "@slowboat/store";
import { guardedAgent } from "./guarded-agent.ts";
import { type Posted, post } from "./post.ts";
import { BROKEN_AFTER, GIVE_UP_MS, nextTry, restMs } from "./schedule.ts";

export interface Deliverer {
  /**
   * Delivers what is due until nothing more can be, and says how many tries it took. One run at a time: whoever calls while one is under way waits for
   * it, and it looks once more for what came meanwhile.
   */
  deliverDue(signal: AbortSignal): Promise<number>;
  close(): Promise<void>;
}

/** A claimed event comes back after this long if its deliverer dies; it is posted as soon as it is claimed, and a post is over long before. */
const LEASE_MS = 4 * LIMITS.webhookTimeoutMs;
const CONCURRENCY = 32;
/** A host that does not answer holds no more of the slots than these. */
const PER_HOST = 4;

interface DelivererDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly secret: string;
  readonly allow: readonly string[];
}

/**
 * Makes the deliverer. Each event is signed with the secret of the key that owns it (`secret` opens the seal) and posted once; only
 * 2xx counts, redirects are failures. Every try leaves a delivery row as it ends. An endpoint that fails ten times in a row rests.
 */
export function createDeliverer(deps: DelivererDeps): Deliverer {
  const agent = guardedAgent(deps.allow, LIMITS.webhookTimeoutMs);
  const busy = new Map<string, DueEvent>();
  let running: Promise<number> | null = null;
  let again = false;
  let wake = Promise.withResolvers<void>();

  const deliver = async (event: DueEvent): Promise<void> => {
    try {
      const atRealMs = deps.clock.real();
      const started = performance.now();
      const posted = await post({ secret: deps.secret, agent, event, atRealMs });
      await note(deps, event, posted, {
        atRealMs,
        durationMs: Math.round(performance.now() - started),
        busy: [...busy.keys()].filter((id) => id !== event.id),
      });
    } finally {
      busy.delete(event.id);
      // Its slot, and its host's, may have become free after the last look.
      again = true;
    }
  };

  const run = async (signal: AbortSignal): Promise<number> => {
    let tried = 0;
    const under = new Set<Promise<void>>();
    const errors: unknown[] = [];
    const begin = (event: DueEvent): void => {
      tried++;
      busy.set(event.id, event);
      const one: Promise<void> = deliver(event)
        .catch((error: unknown) => void errors.push(error))
        .finally(() => under.delete(one));
      under.add(one);
    };
    try {
      do {
        again = false;
        wake = Promise.withResolvers();
        for (const event of await claim(deps, busy)) begin(event);
        if (under.size > 0) await Promise.race([...under, wake.promise]);
      } while ((under.size > 0 || again) && errors.length === 0 && !signal.aborted);
    } finally {
      await Promise.all(under);
    }
    if (errors.length > 0) throw errors[0];
    return tried;
  };

  return {
    deliverDue: (signal) => {
      again = true;
      wake.resolve();
      running ??= run(signal).finally(() => {
        running = null;
      });
      return running;
    },
    close: () => agent.close(),
  };
}

const claim = (deps: DelivererDeps, busy: ReadonlyMap<string, DueEvent>): Promise<DueEvent[]> =>
  claimEvents(deps.store.sql, {
    realMs: deps.clock.real(),
    leaseMs: LEASE_MS,
    limit: CONCURRENCY - busy.size,
    perHost: PER_HOST,
    brokenAfter: BROKEN_AFTER,
    busy: [...busy.values()],
  });

/** Writes down how a try ended, for its event and for its endpoint, in one transaction. */
async function note(
  deps: DelivererDeps,
  event: DueEvent,
  { statusCode, retryAfterMs, error }: Posted,
  at: { readonly atRealMs: number; readonly durationMs: number; readonly busy: readonly string[] },
): Promise<void> {
  const { clock, logger, rng, store } = deps;
  const { endpoint } = event;
  const tryNo = event.tries + 1;
  const delivered = statusCode !== null && statusCode >= 200 && statusCode < 300;
  const pause = delivered ? null : nextTry(tryNo, statusCode, retryAfterMs, rng);
  const realMs = clock.real();
  const outcome: DeliveryOutcome = {
    deliveryId: newId("delivery", at.atRealMs, rng),
    eventId: event.id,
    tenantId: event.tenantId,
    tryNo,
    atRealMs: at.atRealMs,
    durationMs: at.durationMs,
    statusCode,
    error,
    state: delivered ? "delivered" : pause === null ? "dead" : "pending",
    nextTryRealMs: pause === null ? null : realMs + pause,
  };
  const failures = await store.begin(async (tx) => {
    await recordDelivery(tx, outcome);
    // Gone is an answer about one event: it ends, and says nothing about the others.
    if (statusCode === 410) return 0;
    if (delivered) await clearEndpoint(tx, endpoint);
    const inRow = delivered ? 0 : await countFailure(tx, endpoint);
    const rest = { endpoint, untilRealMs: realMs + restMs(inRow), bornBeforeRealMs: realMs - GIVE_UP_MS, busy: at.busy };
    if (inRow >= BROKEN_AFTER) await pauseEndpoint(tx, rest);
    return inRow;
  });
  logger[delivered ? "debug" : "warn"](
    { eventId: event.id, tenantId: event.tenantId, type: event.type, tryNo, statusCode, error, state: outcome.state, failures },
    delivered ? "webhook-delivered" : "webhook-failed",
  );
}
