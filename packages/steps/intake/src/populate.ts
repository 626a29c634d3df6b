import type { BlobStore } from "@slowboat/blob";
import { eventPayload, storedRoute } from "@slowboat/contract";
import { type Fault, isFault, LIMITS, memberSpans, newId, type Rng, replaceSpans } from "@slowboat/kernel";
import { holdNano, type Snapshot } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import type { Queue } from "@slowboat/queue";
import { type Clock, keepLease, LEASE_MS, type Logger } from "@slowboat/runtime";
import {
  announceEvents,
  beginProgress,
  failBatch,
  findUnpopulated,
  forgettableFiles,
  holdPopulate,
  insertJobs,
  leasePopulate,
  markBlobGone,
  moveHolds,
  type NewJob,
  type PopulatingBatch,
  type RouteDesk,
  releasePopulate,
  reserveBudgets,
  type Store,
  sweepIdempotency,
  sweepKeyCalls,
} from "@slowboat/store";
import { keepPromises, withPromises } from "./admission/promise.ts";
import { type CheckedInput, type CheckedLine, checkInput, metadataOf } from "./batch-input.ts";
import { type InputError, inputError } from "./batch-line.ts";
import { heldOutput } from "./hold.ts";
import { heldLinesNote, type LongOutputs, readLongOutputs } from "./output-held.ts";
import { takeOwn } from "./own-members.ts";
import { askOf } from "./request.ts";
import { type HopeTerms, type House, promiseAsk, readMaxCost, refuseHopeless } from "./submit.ts";

/** What populating stands on. */
export interface PopulateDeps {
  readonly store: Store;
  readonly queue: Queue;
  readonly blob: BlobStore;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly book: PriceBook;
  readonly house: Pick<House, "lanes" | "emulated">;
  /** The lanes as the planner sees them, for batches that ask for a promise. */
  readonly sight: () => Promise<Snapshot>;
  readonly logger: Logger;
  readonly routes: RouteDesk;
}

/** Rows in one insert: beyond a thousand the statement grows and the rate does not. */
const INSERT_ROWS = 1000;

/**
 * Turns a validating batch into jobs, under a lease: reads the whole input, and only when every line is good inserts them, a thousand at
 * a time, each group in a transaction that holds the batch row, so that a cancel falls between two groups and never inside. Safe
 * to run again at any point: lines that are in are passed over. A bad input fails the batch with every bad line listed.
 */
export async function populateBatch(deps: PopulateDeps, batchId: string, signal: AbortSignal): Promise<void> {
  const { store, clock, blob } = deps;
  const batch = await leasePopulate(store.sql, { batchId, realMs: clock.real(), leaseMs: LEASE_MS });
  if (batch === null) return;
  const lease = { batchId, leaseGen: batch.leaseGen };
  const kept = keepLease(() => holdPopulate(store.sql, { ...lease, realMs: clock.real(), leaseMs: LEASE_MS }), signal);
  try {
    const house = { book: deps.book, lanes: deps.house.lanes, routes: await deps.routes.load(batch.tenantId), rng: deps.rng };
    const checked = await checkInput(blob, house, batch, kept.signal);
    const { turnaround } = await deps.sight();
    const judged = judgeHopes({ ...deps, turnaround }, batch, checked);
    const input = await promiseBatch(deps, batch, judged);
    if ("errors" in input) await fail(deps, batch, input.errors);
    else await insertAll(deps, batch, input, kept.signal);
  } catch (error) {
    if (kept.lost()) return; // cancelled, or in other hands
    // Whoever comes next need not wait for the lease to run out.
    await releasePopulate(store.sql, lease).catch(() => undefined);
    throw error;
  } finally {
    kept.end();
  }
}

const lanesOf = (batch: PopulatingBatch, line: CheckedLine): string[] | null =>
  batch.lanesAllow ?? (line.tierAllow === null ? null : [...line.tierAllow]);

/**
 * A batch whose lanes cannot make its deadline fails as a whole, judged from when it was accepted by one line of each kind. What a line
 * brings on itself, by a deadline of its own or by costing more than the batch's bound a line, ends that line alone.
 */
function judgeHopes(deps: PopulateDeps & Pick<HopeTerms, "turnaround">, batch: PopulatingBatch, input: CheckedInput): CheckedInput {
  if ("errors" in input) return input;
  const maxCostNano = maxCostOf(batch);
  const seen = new Set<string>();
  const lines: CheckedLine[] = [];
  for (const line of input.lines) {
    const { judged } = line;
    const lanesAllow = lanesOf(batch, line);
    const chain = judged?.fallbacks.map(({ model, refused }) => `${model}${refused ?? ""}`).join() ?? "";
    const kind = `${judged?.model.model} ${lanesAllow?.join() ?? ""} ${chain}`;
    const own = line.ownDeadlineAtMs !== null || maxCostNano !== null;
    lines.push(line);
    if (judged === null || (!own && seen.has(kind))) continue;
    seen.add(kind);
    try {
      const { lanesDeny, allowUnpriced } = batch;
      const deadlineAtMs = line.ownDeadlineAtMs ?? batch.deadlineAtMs;
      // A line with a deadline of its own is rescued alone.
      const rescued = line.ownDeadlineAtMs === null ? input.lines.length : 1;
      refuseHopeless(deps, { judged, deadlineAtMs, lanesAllow, lanesDeny, maxCostNano, allowUnpriced, lines: rescued }, batch.createdAtMs);
    } catch (thrown) {
      if (!isFault(thrown) || thrown.status >= 500) {
        // What no lane can do just now, one may be able to do later: the planner asks again.
        if (isFault(thrown) && thrown.code === "lane-unavailable") continue;
        throw thrown;
      }
      const alone = line.ownDeadlineAtMs !== null || thrown.code === "over-max-cost";
      if (!alone) return { errors: [inputError(thrown, null)] };
      lines[lines.length - 1] = { ...line, error: { code: thrown.code, message: thrown.message } };
    }
  }
  return { lines, model: input.model };
}

/** A batch that asks for a promise has one for all its lines, by the longest of them; what cannot be promised fails the whole. Safe to run again. */
async function promiseBatch(deps: PopulateDeps, batch: PopulatingBatch, input: CheckedInput): Promise<CheckedInput> {
  if (batch.admission === null || "errors" in input) return input;
  const lines = input.lines.filter((line) => line.judged !== null && line.error === null);
  const longest = lines.reduce<CheckedLine | null>(
    (a, b) => (a !== null && (a.judged?.outputTokens ?? 0) >= (b.judged?.outputTokens ?? 0) ? a : b),
    null,
  );
  if (longest === null || longest.judged === null) return input;
  const { lanesDeny, allowUnpriced, deadlineAtMs } = batch;
  const hope = {
    judged: longest.judged,
    deadlineAtMs,
    lanesAllow: lanesOf(batch, longest),
    lanesDeny,
    maxCostNano: maxCostOf(batch),
    allowUnpriced,
    lines: lines.length,
  };
  const ask = promiseAsk(deps.book, hope, batch.admission, await deps.sight());
  if (ask === null) return input;
  return await deps.store.begin(async (tx) => {
    const [verdict] = await withPromises(tx, [ask], deps.clock.job(), batch.id);
    if (verdict instanceof Error) return { errors: [inputError(verdict, null)] };
    if (verdict) await keepPromises(tx, [{ subjectId: batch.id, class: ask.class, demand: verdict }]);
    return input;
  });
}

/** The most that one line of the batch may cost; it was checked when the batch was made. */
const maxCostOf = (batch: PopulatingBatch): bigint | null => readMaxCost(metadataOf(batch)["max_cost_usd"], "metadata.max_cost_usd");

async function fail(deps: PopulateDeps, batch: PopulatingBatch, errors: readonly InputError[]): Promise<void> {
  const { store, clock, rng } = deps;
  const nowMs = clock.job();
  const done = await store.begin(async (tx) => {
    const version = await failBatch(tx, { batchId: batch.id, leaseGen: batch.leaseGen, errors: JSON.stringify(errors), nowMs });
    if (version === null) return false;
    if (batch.callbackUrl !== null) {
      const id = newId("event", nowMs, rng);
      const payload = eventPayload({ eventId: id, type: "batch.failed", createdAtMs: nowMs, subjectId: batch.id, version, metadata: batch.metadata });
      const event = { id, tenantId: batch.tenantId, keyId: batch.keyId, subjectId: batch.id, url: batch.callbackUrl, type: "batch.failed", payload };
      await announceEvents(tx, [event], { nowMs, realMs: clock.real() });
    }
    return true;
  });
  if (!done) return;
  deps.logger.info({ batchId: batch.id, tenantId: batch.tenantId, badLines: errors.length, code: errors[0]?.code }, "batch-failed");
  if (batch.callbackUrl !== null) await deps.queue.ring("deliver", [{}]).catch(() => undefined);
}

async function insertAll(
  deps: PopulateDeps,
  batch: PopulatingBatch,
  input: { lines: readonly CheckedLine[]; model: string | null },
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, queue } = deps;
  const lease = { batchId: batch.id, leaseGen: batch.leaseGen };
  // By what was known when the batch was accepted, so that a second run finds the same.
  const outputs = batch.budgeted ? await readLongOutputs(store.sql, { tenantId: batch.tenantId, untilMs: batch.createdAtMs }) : new Map();
  const refused = batch.budgeted ? await holdBatch(deps, batch, input.lines, outputs) : null;
  if (refused === "gone") return;
  if (refused !== null) return await fail(deps, batch, [inputError(refused, null)]);
  for (const group of groups(input.lines)) {
    signal.throwIfAborted();
    const nowMs = clock.job();
    const rows: NewJob[] = [];
    const parts: { jobId: string; amountNano: bigint }[] = [];
    for (const line of group) {
      const row = { ...jobOf(batch, line, nowMs, deps.rng), ...(await ownBody(deps.blob, batch, line)) };
      rows.push(row);
      if (batch.budgeted && row.state === "accepted") parts.push({ jobId: row.id, amountNano: lineHold(deps, batch, { row, line }, outputs) ?? 0n });
    }
    const mine = await store.begin(async (tx) => {
      if (!(await holdPopulate(tx, { ...lease, realMs: clock.real(), leaseMs: LEASE_MS }))) return false;
      const fresh = await insertJobs(tx, rows);
      // A group is in as a whole or not at all; one that was in before has its part already.
      if (batch.budgeted && fresh > 0) await moveHolds(tx, { batchId: batch.id, lines: parts }, at(clock));
      return true;
    });
    if (!mine) return;
    await queue.ring("plan", [{}]).catch(() => undefined);
  }
  const begun = await beginProgress(store.sql, { ...lease, total: input.lines.length, model: input.model, nowMs: clock.job() });
  if (!begun) return;
  deps.logger.info({ batchId: batch.id, tenantId: batch.tenantId, jobs: input.lines.length, model: input.model }, "batch-populated");
  // The last job may have ended before its batch was in progress.
  await Promise.allSettled([queue.ring("plan", [{}]), queue.ring("finalise", [{ batchId: batch.id }])]);
}

const at = (clock: Clock): { readonly nowMs: number; readonly realMs: number } => ({ nowMs: clock.job(), realMs: clock.real() });

/** What a line needs held: its rescue price at the prices of the instant at which its batch was accepted, so that a second run finds the same. */
const lineHold = (
  deps: PopulateDeps,
  batch: PopulatingBatch,
  { row, line }: { readonly row: Parameters<typeof holdNano>[1]; readonly line: CheckedLine },
  outputs: LongOutputs,
): bigint | null => {
  const outputTokens = line.judged === null ? undefined : heldOutput(line.judged, outputs);
  return holdNano(deps.book, row, { lanes: deps.house.lanes, interactive: false, outputTokens }, batch.createdAtMs);
};

/**
 * Holds for a whole batch before its first line is in: all of it fits, or the batch fails. Its lines take their parts with them. Returns the refusal,
 * `gone` where the batch was cancelled or is in other hands, or `null`.
 */
async function holdBatch(
  deps: PopulateDeps,
  batch: PopulatingBatch,
  lines: readonly CheckedLine[],
  outputs: LongOutputs,
): Promise<Fault | "gone" | null> {
  const { store, clock } = deps;
  let amountNano: bigint | null = 0n;
  let unlimited = 0;
  for (const line of lines) {
    if (line.error !== null || amountNano === null) continue;
    const hold = lineHold(deps, batch, { row: jobOf(batch, line, batch.createdAtMs, deps.rng), line }, outputs);
    amountNano = hold === null ? null : amountNano + hold;
    if (line.judged?.outputLimit === null) unlimited++;
  }
  const { id: subjectId, tenantId, keyId, leaseGen } = batch;
  const hold = { subjectId, tenantId, keyId, amountNano, ...(unlimited === 0 ? {} : { note: heldLinesNote(unlimited) }) };
  return await store.begin(async (tx) => {
    if (!(await holdPopulate(tx, { batchId: subjectId, leaseGen, realMs: clock.real(), leaseMs: LEASE_MS }))) return "gone";
    const [refused] = await reserveBudgets(tx, [hold], at(clock));
    return refused ?? null;
  });
}

/** Bytes of bodies that are held for one insert: only lines that say something to us have theirs in the row. */
const INLINE_BYTES = 8 * 1024 * 1024;

/** Lines in groups of a thousand, and smaller ones where many bodies go inline; a larger single body is a group of its own. */
function* groups(lines: readonly CheckedLine[]): Generator<CheckedLine[]> {
  let group: CheckedLine[] = [];
  let inlineBytes = 0;
  for (const line of lines) {
    const bytes = line.ownMembers ? line.bytes : 0;
    if (group.length >= INSERT_ROWS || (group.length > 0 && inlineBytes + bytes > INLINE_BYTES)) {
      yield group;
      group = [];
      inlineBytes = 0;
    }
    group.push(line);
    inlineBytes += bytes;
  }
  if (group.length > 0) yield group;
}

/** The body of a line that names a deadline or fallbacks of its own, without them: what is meant for us is not sent on. Any other body stays in the input. */
async function ownBody(
  blob: BlobStore,
  batch: PopulatingBatch,
  line: CheckedLine,
): Promise<Partial<Pick<NewJob, "body" | "bodyBlobKey" | "bodyOffset" | "bodyBytes">>> {
  if (!line.ownMembers || line.error !== null) return {};
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.get(batch.inputBlobKey, { start: line.offset, end: line.offset + line.bytes })) chunks.push(chunk);
  const raw = Buffer.concat(chunks).toString("utf8");
  const { text: taken } = takeOwn(raw, JSON.parse(raw) as Record<string, unknown>);
  const text = line.judged === null || line.judged.route === null ? taken : withModel(taken, line.judged.route);
  return { body: text, bodyBlobKey: null, bodyOffset: null, bodyBytes: Buffer.byteLength(text) };
}

/** A routed line's body with its alias replaced by the declared baseline. */
function withModel(text: string, route: string): string {
  const span = memberSpans(text).get("model");
  return span === undefined ? text : replaceSpans(text, [{ span, with: JSON.stringify(storedRoute(route)?.baseline) }]);
}

function jobOf(batch: PopulatingBatch, line: CheckedLine, nowMs: number, rng: Rng): NewJob {
  const { judged, error } = line;
  const id = newId("job", nowMs, rng);
  const lanesAllow = lanesOf(batch, line);
  return {
    id,
    tenantId: batch.tenantId,
    keyId: batch.keyId,
    surface: batch.surface,
    batchId: batch.id,
    lineNo: line.no,
    customId: line.customId,
    endpoint: batch.endpoint,
    provider: judged?.model.provider ?? "anthropic",
    model: judged?.model.model ?? "",
    baselineModel: judged?.model.baselineModel ?? "",
    state: error === null ? "accepted" : "failed",
    body: null,
    bodyBlobKey: batch.inputBlobKey,
    bodyOffset: line.offset,
    bodyBytes: line.bytes,
    inputTokensEst: judged?.inputTokens ?? 0,
    outputTokensEst: judged?.outputTokens ?? 0,
    deadlineAtMs: line.ownDeadlineAtMs ?? batch.deadlineAtMs,
    lanesAllow,
    lanesDeny: batch.lanesDeny,
    maxCostNano: maxCostOf(batch),
    callbackUrl: null,
    metadata: null,
    reuseKey: judged?.reuseKey ?? null,
    prefix: judged?.prefix ?? null,
    fallbacks: judged === null || judged.fallbacks.length === 0 ? null : JSON.stringify(judged.fallbacks),
    route: judged?.route ?? null,
    nextDecisionAtMs: error === null ? nowMs : null,
    acceptedAtMs: batch.createdAtMs,
    admission: batch.admission,
    error: error === null ? null : JSON.stringify(error),
    endedAtMs: error === null ? null : nowMs,
    ask: judged === null || error !== null ? null : askOf(judged, { jobId: id, lanesAllow, lanesDeny: batch.lanesDeny }, nowMs),
  };
}

const SWEEP_ROWS = 200;

/** The intake's share of the sweep: batches nobody populates are rung again, blobs nobody needs go, old Idempotency-Keys are forgotten. */
export async function sweepIntake(deps: Pick<PopulateDeps, "store" | "queue" | "blob" | "clock">): Promise<{ rung: number; blobs: number }> {
  const { store, queue, blob, clock } = deps;
  const waiting = await findUnpopulated(store.sql, { realMs: clock.real(), limit: SWEEP_ROWS });
  await queue.ring(
    "populate",
    waiting.map((batchId) => ({ batchId })),
    { once: true },
  );
  const gone = await forgettableFiles(store.sql, { nowMs: clock.job(), limit: SWEEP_ROWS });
  for (const file of gone) await blob.remove(file.blobKey);
  if (gone.length > 0)
    await markBlobGone(
      store.sql,
      gone.map((file) => file.id),
    );
  await sweepIdempotency(store.sql, clock.job() - LIMITS.idempotencyTtlMs);
  await sweepKeyCalls(store.sql, clock.real());
  return { rung: waiting.length, blobs: gone.length };
}
