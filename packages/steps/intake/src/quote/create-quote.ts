import type { LaneId } from "@slowboat/contract";
import { fault, LIMITS } from "@slowboat/kernel";
import {
  type AdmissionClass,
  chainOf,
  classOf,
  learnOutputs,
  type OutputModel,
  PUBLISHED_OUTPUTS,
  type QuoteGroup,
  type QuoteKind,
  type QuoteLine,
  quoteWork,
  type Snapshot,
  type WorkQuote,
} from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import { findReusable, readOutputTokens, readPromised, type Store } from "@slowboat/store";
import type { InputError } from "../batch-line.ts";
import type { Caller } from "../keys.ts";
import type { JudgedRequest } from "../request.ts";

/** A request that may be quoted. */
export interface QuotedRequest {
  readonly no: number;
  readonly judged: JudgedRequest;
  readonly deadlineAtMs: number | null;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  readonly maxCostNano: bigint | null;
}

/** What a quote stands on. */
export interface QuoteDeps {
  readonly store: Store;
  readonly book: PriceBook;
  /** The lanes as the planner sees them now. */
  readonly sight: () => Promise<Snapshot>;
}

/** A quote with what it rests on. Nothing of it was stored, and nothing was spent. */
export interface Quoted extends WorkQuote {
  readonly quotedAtMs: number;
  /** The latest deadline in the work; `null` where some of it has none. */
  readonly deadlineAtMs: number | null;
  /** Requests that cannot be run as they are. */
  readonly errors: readonly InputError[];
  /** How many more there were. */
  readonly moreErrors: number;
  /** Requests whose answer is kept, and those that repeat an earlier one of the work. */
  readonly known: number;
  readonly repeated: number;
  /** By model: what its answers are taken to be like. */
  readonly outputs: ReadonlyMap<string, OutputModel>;
  readonly snapshot: Snapshot;
  /** The best class that the work would be given now, and why none better; `null` where some of it is turned away. */
  readonly admission: { readonly class: AdmissionClass; readonly why: string } | null;
}

/** Keys looked up in one statement. */
const LOOKUP = 1_000;
/** The tenant's own answers that lengths are learned from. */
const ANSWERS = 2_000;
/** Quotes worked out at a time in one process; a large one takes seconds of its processor. */
const AT_ONCE = 4;
/** Bad lines listed one by one. */
const LISTED = 1_000;

let open = 0;

/**
 * Quotes requests as they come: what every lane would take and when it would be done, and the mix that the planner would choose. Memory is a small record a
 * request. A request that is not right is listed and left out of the figures.
 */
export async function createQuote(
  deps: QuoteDeps,
  caller: Caller,
  requests: AsyncIterable<QuotedRequest | InputError>,
  input: { readonly nowMs: number; readonly most: number; readonly signal: AbortSignal },
): Promise<Quoted> {
  if (open >= AT_ONCE)
    throw fault("overloaded", { message: "Too many quotes are being worked out just now; try again shortly.", retryAfterMs: 1_000 });
  open++;
  try {
    const { nowMs, signal } = input;
    const collected = await collect(deps, caller, requests, input);
    if (collected.lines === 0 && collected.errors.length === 0)
      throw fault("invalid-request", { message: "There is nothing to quote: the input holds no request." });
    const snapshot = await deps.sight();
    const steps = quoteWork(collected.groups, snapshot, nowMs);
    for (;;) {
      const step = steps.next();
      if (step.done) {
        const { groups: _groups, lines: _lines, ...facts } = collected;
        // Where nothing was right there is nothing to promise either.
        const turnedAway = step.value.refusals.length > 0 || collected.lines === 0;
        const admission = turnedAway ? null : classOf(step.value.pieces, await readPromised(deps.store.sql, nowMs), nowMs);
        return { ...step.value, ...facts, quotedAtMs: nowMs, snapshot, admission };
      }
      signal.throwIfAborted();
      await new Promise(setImmediate);
    }
  } finally {
    open--;
  }
}

interface Collected extends Pick<Quoted, "errors" | "moreErrors" | "known" | "repeated" | "outputs" | "deadlineAtMs"> {
  readonly groups: readonly QuoteGroup[];
  readonly lines: number;
}

async function collect(
  deps: QuoteDeps,
  caller: Caller,
  requests: AsyncIterable<QuotedRequest | InputError>,
  { nowMs, most, signal }: { readonly nowMs: number; readonly most: number; readonly signal: AbortSignal },
): Promise<Collected> {
  const outputs = await learnedOutputs(deps, caller.tenantId);
  const used = new Map<string, OutputModel>();
  const groups = new Map<string, { kind: QuoteKind; lines: QuoteLine[] }>();
  const errors: InputError[] = [];
  const reuse = openReuse(deps, caller.tenantId, nowMs);
  let moreErrors = 0;
  let lines = 0;
  let deadlineAtMs: number | null = Number.NEGATIVE_INFINITY;
  for await (const request of requests) {
    signal.throwIfAborted();
    if ("code" in request) {
      if (errors.length < LISTED) errors.push(request);
      else moreErrors++;
      continue;
    }
    if (++lines > most) throw fault("invalid-request", { message: `The input holds more than ${most} requests.` });
    deadlineAtMs = deadlineAtMs === null || request.deadlineAtMs === null ? null : Math.max(deadlineAtMs, request.deadlineAtMs);
    const name = kindName(request);
    const group = groups.get(name) ?? { kind: kindOf(deps.book, caller, request, outputs, used), lines: [] };
    groups.set(name, group);
    const { inputTokens, outputTokens, outputLimit, reuseKey } = request.judged;
    const line = { inputTokens, outputTokens, limit: outputLimit, cached: false };
    group.lines.push(line);
    if (reuseKey !== null && mayReuse(request)) await reuse.note(reuseKey, line);
  }
  const { known, repeated } = await reuse.end();
  return { groups: [...groups.values()], lines, errors, moreErrors, known, repeated, outputs: used, deadlineAtMs: lines === 0 ? null : deadlineAtMs };
}

const mayReuse = ({ allow, deny }: QuotedRequest): boolean => (allow === null || allow.includes("cache")) && !deny?.includes("cache");

const kindName = ({ judged, deadlineAtMs, allow, deny, maxCostNano }: QuotedRequest): string =>
  JSON.stringify([judged.endpoint, judged.model.model, deadlineAtMs, allow, deny, maxCostNano?.toString(), judged.fallbacks]);

function kindOf(
  book: PriceBook,
  caller: Caller,
  request: QuotedRequest,
  outputs: ReadonlyMap<string, OutputModel>,
  used: Map<string, OutputModel>,
): QuoteKind {
  const { judged, deadlineAtMs, allow, deny, maxCostNano } = request;
  const { model, candidates, baselineModel } = judged.model;
  const seen = outputs.get(candidates[0]?.model ?? model) ?? PUBLISHED_OUTPUTS;
  used.set(model, seen);
  return {
    baselineModel,
    outputs: seen,
    job: {
      model,
      candidates,
      endpoint: judged.endpoint,
      deadlineAtMs,
      allow,
      deny,
      maxCostNano,
      allowUnpriced: caller.allowUnpriced,
      interactive: false,
      attempts: 0,
      lanesTried: [],
      role: "try",
      fallbacks: chainOf(book, judged.fallbacks),
    },
  };
}

/** What the tenant's own answers were like, by the exact model that gave them. */
async function learnedOutputs({ store }: QuoteDeps, tenantId: string): Promise<ReadonlyMap<string, OutputModel>> {
  const rows = await readOutputTokens(store.sql, { tenantId, limit: ANSWERS });
  return new Map([...Map.groupBy(rows, (row) => row.model)].map(([model, some]) => [model, learnOutputs(some.map((row) => row.tokens))] as const));
}

/** Marks lines whose answer is kept, and those that ask what an earlier line asks. */
function openReuse({ store }: QuoteDeps, tenantId: string, nowMs: number) {
  const asked = new Set<string>();
  let waiting: { key: Uint8Array; hex: string; line: { cached: boolean } }[] = [];
  let known = 0;
  let repeated = 0;
  const look = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const hits = await findReusable(
      store.sql,
      waiting.map(({ key }) => ({ tenantId, reuseKey: key })),
      nowMs,
    );
    const kept = new Set(hits.filter((hit) => hit.attemptId !== null).map((hit) => hit.reuseKey));
    for (const { hex, line } of waiting) {
      if (!kept.has(hex)) continue;
      line.cached = true;
      known++;
    }
    waiting = [];
  };
  return {
    async note(key: Uint8Array, line: { cached: boolean }): Promise<void> {
      const hex = Buffer.from(key).toString("hex");
      if (asked.has(hex)) {
        line.cached = true;
        repeated++;
        return;
      }
      asked.add(hex);
      waiting.push({ key, hex, line });
      if (waiting.length >= LOOKUP) await look();
    },
    async end(): Promise<{ known: number; repeated: number }> {
      await look();
      return { known, repeated };
    },
  };
}

/** The most requests that one quote takes. */
export const QUOTE_REQUESTS_MAX = LIMITS.messageBatchRequests;
