import type { Endpoint, JobRequest, LaneId, ModelRule } from "@slowboat/contract";
import { expandLanes, laneClass, readNames, storedModelRule, storedNames } from "@slowboat/contract";
import { fault, memberSpans, newId, parseUsd, type Rng } from "@slowboat/kernel";
import { type AdmissionClass, admit, chainOf, type LaneView, type PlanJob, type PoolView, type PromiseAsk, type Snapshot } from "@slowboat/plan";
import type { PriceBook } from "@slowboat/pricing";
import { type ReuseWish, readReuseWish, type SemanticSettings, storedSemantic, usualWish, wishOf } from "@slowboat/reuse";
import { type Clock, checkCallbackUrl } from "@slowboat/runtime";
import type { NewJob, RouteBook } from "@slowboat/store";
import { admissionOf, readAdmission } from "./admission/read-admission.ts";
import { readDeadline } from "./deadline.ts";
import type { FallbackWish } from "./fallbacks.ts";
import type { Caller } from "./keys.ts";
import { checkFallbacks, takeOwn } from "./own-members.ts";
import { askOf, inferEndpoint, type JudgedRequest, judgeRequest, tierWishes } from "./request.ts";

/** What an installation can do and allows; from an app's settings. */
export interface House {
  /** Lanes that can be used at all. */
  readonly lanes: readonly LaneId[];
  /** True when the providers' lanes lead to the emulator: answers and costs are labelled. */
  readonly emulated: boolean;
  /** Exact `host:port` pairs that a callback may name although they are not public. */
  readonly callbackAllow: readonly string[];
}

/** What a request is judged by. */
export interface IntakeTerms {
  readonly book: PriceBook;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly house: House;
}

/** What the headers of a request ask for; each goes before what the body says. */
export interface HeaderTerms {
  /** The deadline as written, and the header it came in. */
  readonly deadline: { readonly name: string; readonly text: string } | null;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  /** `null` where the body or the tenant decides. */
  readonly cache: ReuseWish | null;
  /** Models that may stand in, by name. */
  readonly fallbacks: readonly string[] | null;
  /** The class of admission; absent where none is named. */
  readonly admission?: AdmissionClass | null;
}

/** A native request: its envelope as text and as value, and what its headers ask for. */
export interface NativeRequest {
  readonly envelopeText: string;
  readonly envelope: JobRequest;
  readonly asked: HeaderTerms;
  /** The caller's aliases, where the request asks for one. */
  readonly routes?: RouteBook;
}

const NO_ROUTES: RouteBook = new Map();

/** The caller's own name for a job or template, by which what was learned of it is found. */
export const jobKeyOf = (metadata: Readonly<Record<string, unknown>> | null | undefined): string | undefined =>
  typeof metadata?.["job_key"] === "string" && metadata["job_key"] !== "" ? metadata["job_key"].slice(0, 128) : undefined;

/**
 * Reads how far a caller lets answers be given again: one line (`exact`, or `semantic; max-error=0.01; ttl=1d`) as header, envelope and metadata have
 * it, or the envelope's object. What is left out of semantic terms is the tenant's own.
 */
export function readCacheWish(value: NonNullable<JobRequest["cache"]>, param: string, settings: SemanticSettings): ReuseWish {
  const wish =
    typeof value === "string"
      ? readReuseWish(value, settings)
      : wishOf({ mode: value.mode, maxError: value.max_error ?? null, ttl: value.ttl ?? null }, settings);
  if ("wrong" in wish) throw fault("invalid-request", { param, message: `'${param}' is not valid: ${wish.wrong}.` });
  return wish;
}

/** Checks a callback address by its text; returns its normal form or throws `callback-refused`. */
export function readCallback(text: string | null | undefined, allowed: readonly string[], param: string): string | null {
  if (text === null || text === undefined) return null;
  const checked = checkCallbackUrl(text, allowed);
  if ("refused" in checked) throw fault("callback-refused", { param, message: `The callback address is refused. ${checked.refused}` });
  return checked.url;
}

/** The request inside a native envelope: its raw text, cut out of the envelope's, and its value. */
function requestOf(envelopeText: string, envelope: JobRequest): { text: string; value: Record<string, unknown>; endpoint: Endpoint | undefined } {
  const outer = memberSpans(envelopeText);
  const nested = outer.get("request");
  const span = nested ? memberSpans(envelopeText, nested.start).get("body") : outer.get("body");
  const text = span ? envelopeText.slice(span.start, span.end) : "{}";
  const named = [envelope.endpoint, envelope.request?.endpoint, envelope.request?.url].filter((one) => one !== undefined);
  if (named.some((one) => one !== named[0]))
    throw fault("invalid-request", { param: "endpoint", message: "'endpoint' is given twice with different values." });
  return { text, value: envelope.body ?? envelope.request?.body ?? {}, endpoint: named[0] };
}

/**
 * Turns a native request into the job that will be committed, or throws the fault that names what is wrong: the body, the model, the
 * deadline, the callback, the price bound, or the lanes that cannot make it.
 */
export function nativeJob(terms: IntakeTerms, caller: Caller, request: NativeRequest): { readonly job: NewJob; readonly hope: Hope } {
  const { job, judged } = draftJob(terms, caller, request);
  const hope = { ...job, judged, allowUnpriced: caller.allowUnpriced, lines: 1 };
  refuseHopeless(terms, hope, job.acceptedAtMs);
  return { job, hope };
}

/** A native request as a job, before it is asked whether any lane can do it in time; throws the fault of everything else that is wrong. */
export function draftJob(
  terms: IntakeTerms,
  caller: Caller,
  { envelopeText, envelope, asked, routes = NO_ROUTES }: NativeRequest,
): { readonly job: NewJob; readonly judged: JudgedRequest } {
  const { book, clock, rng } = terms;
  const nowMs = clock.job();
  const request = requestOf(envelopeText, envelope);
  const tier = tierWishes(request.value["service_tier"], terms.house.lanes);
  const { text, deadline: inBody, fallbacks } = takeOwn(request.text, request.value);
  const endpoint = request.endpoint ?? inferEndpoint(book, request.value);
  checkFallbacks(endpoint, request.value, "body.fallbacks");
  const settings = storedSemantic(caller.semanticCache);
  const inEnvelope = envelope.cache == null ? usualWish(settings) : readCacheWish(envelope.cache, "cache", settings);
  const judged = judgeRequest(
    book,
    { endpoint, value: request.value, text, bytes: Buffer.byteLength(text) },
    {
      tenantId: caller.tenantId,
      keyId: caller.keyId,
      allowUnpriced: caller.allowUnpriced,
      cache: asked.cache ?? inEnvelope,
      fallbacks: fallbacksOf(envelope, asked, {
        inBody: fallbacks,
        defaults: storedNames(caller.fallbacks),
        rule: storedModelRule(caller.models),
      }),
      routing: { routes, rng, jobKey: jobKeyOf(envelope.metadata) },
    },
  );
  const written = deadlineOf(envelope, asked, inBody);
  const deadlineAtMs = written !== null ? readDeadline(written.text, nowMs, written.name) : tier === null ? null : nowMs + tier.windowMs;
  const callbackUrl = readCallback(envelope.callback_url, terms.house.callbackAllow, "callback_url");
  const lanesAllow = asked.allow ?? (envelope.allow ? expandLanes(envelope.allow, "allow", terms.house.lanes) : (tier?.allow ?? null));
  const lanesDeny = asked.deny ?? (envelope.deny ? expandLanes(envelope.deny, "deny", terms.house.lanes) : null);
  const maxCostNano = readMaxCost(envelope.max_cost_usd, "max_cost_usd");
  const id = newId("job", nowMs, rng);
  const job: NewJob = {
    id,
    tenantId: caller.tenantId,
    keyId: caller.keyId,
    surface: "native",
    batchId: null,
    lineNo: null,
    customId: null,
    endpoint,
    provider: judged.model.provider,
    model: judged.model.model,
    baselineModel: judged.model.baselineModel,
    state: "accepted",
    body: judged.routedText ?? text,
    bodyBlobKey: null,
    bodyOffset: null,
    bodyBytes: Buffer.byteLength(judged.routedText ?? text),
    inputTokensEst: judged.inputTokens,
    outputTokensEst: judged.outputTokens,
    deadlineAtMs,
    lanesAllow: lanesAllow === null ? null : [...lanesAllow],
    lanesDeny: lanesDeny === null ? null : [...lanesDeny],
    maxCostNano,
    callbackUrl,
    metadata: envelope.metadata ? JSON.stringify(envelope.metadata) : null,
    reuseKey: judged.reuseKey,
    prefix: judged.prefix,
    fallbacks: judged.fallbacks.length === 0 ? null : JSON.stringify(judged.fallbacks),
    route: judged.route,
    nextDecisionAtMs: nowMs,
    acceptedAtMs: nowMs,
    admission: admissionOf(asked.admission ?? (envelope.admission == null ? null : readAdmission(envelope.admission, "admission")), deadlineAtMs),
    ask: askOf(judged, { jobId: id, lanesAllow, lanesDeny }, nowMs),
  };
  return { job, judged };
}

/** The first of what may name a native job's fallbacks: the header, the envelope's own member, the body's. */
function fallbacksOf(
  envelope: JobRequest,
  asked: HeaderTerms,
  own: { readonly inBody: readonly string[] | null; readonly defaults: readonly string[] | null; readonly rule: ModelRule | null },
): FallbackWish {
  const { inBody, ...tenants } = own;
  if (asked.fallbacks !== null) return { names: asked.fallbacks, param: "slowboat-fallbacks", ...tenants };
  if (envelope.fallbacks != null) return { names: readNames(envelope.fallbacks, "fallbacks"), param: "fallbacks", ...tenants };
  const names = inBody === null ? null : readNames(inBody, "body.fallbacks");
  return { names, param: "body.fallbacks", ...tenants };
}

/** The first of what may name a native job's deadline: the header, the envelope's own member, its metadata, the body's metadata. */
function deadlineOf(envelope: JobRequest, asked: HeaderTerms, inBody: unknown): { readonly name: string; readonly text: unknown } | null {
  if (asked.deadline !== null) return asked.deadline;
  if (envelope.deadline !== null && envelope.deadline !== undefined) return { name: "deadline", text: envelope.deadline };
  const { metadata } = envelope;
  if (metadata !== null && Object.hasOwn(metadata, "deadline")) return { name: "metadata.deadline", text: metadata["deadline"] };
  return inBody === undefined ? null : { name: "body.metadata.deadline", text: inBody };
}

/** Reads a price bound in dollars as nano-USD; `null` where there is none, a fault where it is no amount. */
export function readMaxCost(value: number | string | null | undefined, param: string): bigint | null {
  if (value === null || value === undefined) return null;
  const amount = parseUsd(value);
  if (amount === null) throw fault("invalid-request", { param, message: `'${param}' must be an amount in dollars, such as 0.25.` });
  return amount;
}

/** One request, or a batch's typical line, before admission. */
export interface Hope extends Pick<NewJob, "deadlineAtMs" | "lanesAllow" | "lanesDeny" | "maxCostNano"> {
  readonly judged: JudgedRequest;
  readonly allowUnpriced: boolean;
  /** Lines that would be rescued together. */
  readonly lines: number;
}

/** What admission is judged by. */
export type HopeTerms = Pick<IntakeTerms, "book" | "clock"> & {
  readonly house: Pick<House, "lanes" | "emulated">;
  /** What batches take now, as the planner has learned it; absent for what is published. */
  readonly turnaround?: Snapshot["turnaround"];
};

/** A request, or a batch's typical line, as the planner sees it before anything was tried. */
function hopeJob(book: PriceBook, hope: Hope): PlanJob {
  const { judged } = hope;
  return {
    model: judged.model.model,
    candidates: judged.model.candidates,
    endpoint: judged.endpoint,
    inputTokens: judged.inputTokens,
    outputTokens: judged.outputTokens,
    deadlineAtMs: hope.deadlineAtMs,
    allow: hope.lanesAllow as LaneId[] | null,
    deny: hope.lanesDeny as LaneId[] | null,
    maxCostNano: hope.maxCostNano,
    allowUnpriced: hope.allowUnpriced,
    cached: false,
    interactive: false,
    attempts: 0,
    lanesTried: [],
    role: "try",
    fallbacks: chainOf(book, judged.fallbacks),
  };
}

/** What a request, or a batch by its longest line, asks to be promised; `null` for best effort. */
export function promiseAsk(book: PriceBook, hope: Hope, wish: string | null | undefined, snapshot: Snapshot): PromiseAsk | null {
  if (wish !== "guaranteed" && wish !== "likely") return null;
  return { class: wish, job: hopeJob(book, hope), snapshot, lines: hope.lines };
}

/** Throws when no allowed lane could run this in time and within its price bound, with the earliest time that could be met. */
export function refuseHopeless(terms: HopeTerms, hope: Hope, nowMs: number): void {
  const verdict = admit(hopeJob(terms.book, hope), atRest(terms, hope, terms.house.lanes), nowMs);
  if (verdict.kind !== "refuse") return;
  const earliest = verdict.earliestFeasibleAtMs;
  // In an incident batches are known to promise nothing at all, and an hour later they do again: what is usually possible is taken, as best it can be done.
  if (terms.turnaround !== undefined && earliest === null) {
    refuseHopeless({ ...terms, turnaround: undefined }, hope, nowMs);
    return;
  }
  throw fault(verdict.code, {
    message: verdict.message,
    ...(verdict.code === "deadline-infeasible" ? { param: "deadline" } : {}),
    ...(earliest === null ? {} : { extra: { earliest_feasible_deadline: new Date(earliest).toISOString() } }),
  });
}

/** Whether nothing but batches could do it: then what they take now decides whether it can be done at all. */
export function restsOnBatches(terms: HopeTerms, hope: Hope, nowMs: number): boolean {
  const others = terms.house.lanes.filter((id) => laneClass(id) !== "batch");
  return others.length < terms.house.lanes.length && admit(hopeJob(terms.book, hope), atRest(terms, hope, others), nowMs).kind === "refuse";
}

const atRest = (terms: HopeTerms, hope: Hope, lanes: readonly LaneId[]): Snapshot => ({
  book: terms.book,
  lanes: lanes.map((id) => laneAtRest(id, terms.house.emulated)),
  pool: POOL_AT_REST,
  tickMs: TICK_MS,
  scale: terms.clock.scale,
  batchLines: hope.lines,
  ...(terms.turnaround === undefined ? {} : { turnaround: terms.turnaround }),
});

/** Admission asks what is possible at all; how full the lanes are is the planner's business a moment later. */
const laneAtRest = (id: LaneId, emulated: boolean): LaneView => ({
  id,
  emulated: emulated && id !== "pool" && id !== "cache",
  available: true,
  concurrency: 16,
  queued: 0,
});
const POOL_AT_REST: PoolView = { tokensPerSecond: 8_000, backlogTokens: 0 };
const TICK_MS = 250;
