import { type Fault, fault, LIMITS } from "@slowboat/kernel";
import type { PromiseAsk } from "@slowboat/plan";
import type { Queue } from "@slowboat/queue";
import { type Clock, groupCommit } from "@slowboat/runtime";
import {
  claimIdempotency,
  dropIdempotency,
  type IdempotencyClaim,
  insertJobs,
  type NewJob,
  type Reservation,
  reserveBudgets,
  type Sql,
  type Store,
} from "@slowboat/store";
import { keepPromises, withPromises } from "./admission/promise.ts";

/** One job at the door, with the claim of its Idempotency-Key where the caller sent one. */
export interface Arrival {
  readonly job: NewJob;
  readonly claim: Pick<IdempotencyClaim, "route" | "key" | "fingerprint"> | null;
  /** What the budgets of its tenant must hold for it, `null` where that has no price; absent where no budget counts it. */
  readonly hold?: Pick<Reservation, "amountNano" | "note"> | undefined;
  /** The class that it asks for, where that is more than best effort. */
  readonly promise?: PromiseAsk | null;
}

/** Which job the caller gets: the new one, or the one that the same key made before. */
export interface Acceptance {
  readonly jobId: string;
  readonly replayed: boolean;
}

/** Takes single jobs in; `accept` returns once they are committed. */
export interface JobDesk {
  accept(arrival: Arrival): Promise<Acceptance>;
  /** Wakes the planner soon: at most one ring is in flight and one leaves in 20 ms, however many ask. */
  wakePlanner(): void;
  /** Waits for a ring in flight. */
  close(): Promise<void>;
}

const RING_EVERY_MS = 20;

/**
 * Opens the desk. Jobs that arrive together share one transaction, so that a crowd pays few commits and a lone caller one; a claim
 * commits with its job.
 */
export function openDesk(deps: { readonly store: Store; readonly queue: Queue; readonly clock: Clock }): JobDesk {
  const accept = groupCommit<Arrival, Outcome>((arrivals) => commitArrivals(deps, arrivals), {
    maxItems: LIMITS.chunkJobs,
    maxInFlight: 2,
  });
  // What asks for a promise is judged one group after the other, under the book's lock; nobody else waits for it.
  const acceptPromised = groupCommit<Arrival, Outcome>((arrivals) => commitPromised(deps, arrivals), { maxItems: LIMITS.chunkJobs, maxInFlight: 1 });
  let timer: NodeJS.Timeout | null = null;
  let ringing: Promise<void> | null = null;
  let again = false;
  const ring = (): void => {
    timer = null;
    if (ringing) {
      again = true;
      return;
    }
    // A lost ring delays a job until the planner's next sweep; it is no reason to fail what is committed.
    ringing = deps.queue
      .ring("plan", [{}])
      .catch(() => undefined)
      .finally(() => {
        ringing = null;
        if (again) {
          again = false;
          wakePlanner();
        }
      });
  };
  const wakePlanner = (): void => {
    timer ??= setTimeout(ring, RING_EVERY_MS);
  };
  let inFlight = 0;
  let startedMs = 0;
  return {
    wakePlanner,
    accept: async (arrival) => {
      // Postgres is slow: who comes now would wait behind all of these, and be cut off by its own patience.
      if (inFlight >= LIMITS.arrivalsInFlight)
        throw fault("overloaded", {
          message: "Too many jobs wait to be written down; try again shortly. This one was not accepted.",
          retryAfterMs: Math.min(60_000, Math.max(1_000, performance.now() - startedMs)),
        });
      if (inFlight === 0) startedMs = performance.now();
      inFlight++;
      const owner = await (arrival.promise == null ? accept(arrival) : acceptPromised(arrival))
        .catch((error: unknown) => {
          throw slowDatabase(error) ?? error;
        })
        .finally(() => {
          inFlight--;
        });
      if (owner === "mismatch") throw fault("idempotency-mismatch");
      if (owner instanceof Error) throw owner;
      if (!owner.replayed) wakePlanner();
      return owner;
    },
    close: async () => {
      if (timer) {
        clearTimeout(timer);
        ring();
      }
      await ringing;
    },
  };
}

/** A statement that ran out of time, or a server without a free connection: the same job may do better shortly. */
const SLOW = ["57014", "55P03", "53300", "CONNECT_TIMEOUT"];

function slowDatabase(error: unknown): Fault | null {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!SLOW.includes(code)) return null;
  const message = "The database is slow just now, and the job was not accepted as far as is known; try again shortly, under an Idempotency-Key.";
  return fault("overloaded", { message, retryAfterMs: 5_000, cause: error, inside: code });
}

/** What became of an arrival; a refusal is its own caller's alone: the others of the group go on. */
type Outcome = Acceptance | "mismatch" | Error;

/** Judges what asks for a promise beside what is promised, and commits job and promise together; what is refused leaves nothing behind. */
async function commitPromised(deps: { readonly store: Store; readonly clock: Clock }, arrivals: readonly Arrival[]): Promise<Outcome[]> {
  return await deps.store.begin(async (tx) => {
    const judged = await withPromises(
      tx,
      arrivals.map(({ promise }) => promise ?? null),
      deps.clock.job(),
    );
    const kept = arrivals.filter((_, index) => !(judged[index] instanceof Error));
    const accepted = await commitWithin(tx, deps.clock, kept);
    const outcomes: Outcome[] = [];
    const made: Parameters<typeof keepPromises>[1][number][] = [];
    for (const [index, arrival] of arrivals.entries()) {
      const verdict = judged[index];
      if (verdict instanceof Error) {
        outcomes.push(verdict);
        continue;
      }
      const outcome = accepted[kept.indexOf(arrival)] ?? "mismatch";
      outcomes.push(outcome);
      if (outcome !== "mismatch" && !(outcome instanceof Error) && !outcome.replayed && verdict && arrival.promise)
        made.push({ subjectId: arrival.job.id, class: arrival.promise.class, demand: verdict });
    }
    await keepPromises(tx, made);
    return outcomes;
  });
}

async function commitArrivals({ store, clock }: { readonly store: Store; readonly clock: Clock }, arrivals: readonly Arrival[]): Promise<Outcome[]> {
  return await store.begin((tx) => commitWithin(tx, clock, arrivals));
}

async function commitWithin(tx: Sql, clock: Clock, arrivals: readonly Arrival[]): Promise<Outcome[]> {
  const claims = arrivals.flatMap(({ job, claim }) =>
    claim ? [{ ...claim, tenantId: job.tenantId, responseId: job.id, nowMs: job.acceptedAtMs }] : [],
  );
  const owners = await claimIdempotency(tx, claims, LIMITS.idempotencyTtlMs);
  const byJob = new Map(claims.map((claim, index) => [claim.responseId, { claim, owner: owners[index] }]));
  const fresh: Arrival[] = [];
  const outcomes = arrivals.map((arrival): Outcome => {
    const { job } = arrival;
    const claimed = byJob.get(job.id);
    if (claimed?.owner && claimed.owner.responseId !== job.id)
      return claimed.owner.fingerprint === claimed.claim.fingerprint ? { jobId: claimed.owner.responseId, replayed: true } : "mismatch";
    fresh.push(arrival);
    return { jobId: job.id, replayed: false };
  });
  const refused = await reserve(tx, fresh, clock);
  await dropIdempotency(
    tx,
    claims.filter((claim) => refused.has(claim.responseId)),
  );
  await insertJobs(
    tx,
    fresh.flatMap(({ job }) => (refused.has(job.id) ? [] : [job])),
  );
  // Who came with the same key at the same moment is refused with the one that it repeats.
  return outcomes.map((outcome) => (outcome === "mismatch" || outcome instanceof Error ? outcome : (refused.get(outcome.jobId) ?? outcome)));
}

/** Holds what budgets must hold for these arrivals; returns the refusals by job. */
async function reserve(tx: Sql, arrivals: readonly Arrival[], clock: Clock): Promise<Map<string, Fault>> {
  const rows = arrivals.flatMap(({ job, hold }) =>
    hold === undefined ? [] : [{ subjectId: job.id, tenantId: job.tenantId, keyId: job.keyId, ...hold }],
  );
  if (rows.length === 0) return new Map();
  const outcomes = await reserveBudgets(tx, rows, { nowMs: clock.job(), realMs: clock.real() });
  return new Map(rows.flatMap((row, index): [string, Fault][] => (outcomes[index] ? [[row.subjectId, outcomes[index]]] : [])));
}
