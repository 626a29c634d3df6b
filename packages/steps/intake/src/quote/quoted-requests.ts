import { type Endpoint, type LaneId, readJobRequest } from "@slowboat/contract";
import { isFault, memberSpans, replaceSpans } from "@slowboat/kernel";
import type { AdmissionClass } from "@slowboat/plan";
import type { RouteBook } from "@slowboat/store";
import { type CheckedLine, lineJudge } from "../batch-input.ts";
import { type InputError, inputError } from "../batch-line.ts";
import type { Caller } from "../keys.ts";
import type { ScannedElement } from "../scan-requests.ts";
import { draftJob, type HeaderTerms, type IntakeTerms } from "../submit.ts";
import type { QuotedRequest } from "./create-quote.ts";
import { elementEntry, type LineEntry, lineEntries } from "./entries.ts";

/** What holds for every request of a quote that does not say otherwise. */
export interface QuoteTerms {
  readonly deadlineAtMs: number | null;
  readonly allow: readonly LaneId[] | null;
  readonly deny: readonly LaneId[] | null;
  readonly maxCostNano: bigint | null;
  /** How far answers may be given again, as it is stored. */
  readonly reuseMode: string;
  /** Names of models that may stand in; `null` where the tenant's own list holds. */
  readonly fallbacks: readonly string[] | null;
  /** The model to be asked in place of the one that a request names; `null` for its own. */
  readonly model: string | null;
  /** The caller's aliases. */
  readonly routes: RouteBook;
  /** What the headers ask for; it goes before what a job says. */
  readonly asked: HeaderTerms;
  /** Whether lines may name several models, as a batch of messages may. */
  readonly mixed: boolean;
  readonly nowMs: number;
  /** The class that is asked for; `null` for none. */
  readonly admission: AdmissionClass | null;
}

/** Judges the lines of a file, of either API. */
export async function* lineRequests(
  intake: IntakeTerms,
  caller: Caller,
  input: { readonly chunks: AsyncIterable<Uint8Array>; readonly endpoint: Endpoint | null },
  terms: QuoteTerms,
): AsyncGenerator<QuotedRequest | InputError> {
  const judge = lineJudges(intake, caller, terms);
  for await (const entry of lineEntries(input.chunks, input.endpoint)) yield "code" in entry ? entry : judge(entry);
}

/** Judges the elements of a list of requests: jobs as `POST /v1/jobs` takes them, or lines of either API. */
export async function* listRequests(
  intake: IntakeTerms,
  caller: Caller,
  elements: readonly ScannedElement[],
  terms: QuoteTerms,
): AsyncGenerator<QuotedRequest | InputError> {
  const judge = lineJudges(intake, caller, { ...terms, mixed: true });
  for (const element of elements) {
    const entry = elementEntry(element);
    if (entry !== null) yield "code" in entry ? entry : judge(entry);
    else yield judgeJob(intake, caller, { no: element.index + 1, text: element.text, value: element.value }, terms);
  }
}

/** Judges one job; what is wrong with it is thrown, not listed. */
export async function* oneRequest(
  intake: IntakeTerms,
  caller: Caller,
  job: { readonly text: string; readonly value: unknown },
  terms: QuoteTerms,
): AsyncGenerator<QuotedRequest> {
  yield draft(intake, caller, { no: 1, ...job }, terms);
}

interface Envelope {
  readonly no: number;
  readonly text: string;
  readonly value: unknown;
}

function judgeJob(intake: IntakeTerms, caller: Caller, envelope: Envelope, terms: QuoteTerms): QuotedRequest | InputError {
  try {
    return draft(intake, caller, envelope, terms);
  } catch (thrown) {
    return inputError(thrown, envelope.no);
  }
}

function draft(intake: IntakeTerms, caller: Caller, { no, text, value }: Envelope, terms: QuoteTerms): QuotedRequest {
  const renamed = terms.model === null ? { text, value } : jobWithModel(text, value, terms.model);
  const { job, judged } = draftJob(intake, caller, {
    envelopeText: renamed.text,
    envelope: readJobRequest(renamed.value),
    asked: terms.asked,
    routes: terms.routes,
  });
  return {
    no,
    judged,
    deadlineAtMs: job.deadlineAtMs ?? terms.deadlineAtMs,
    allow: job.lanesAllow ?? terms.allow,
    deny: job.lanesDeny ?? terms.deny,
    maxCostNano: job.maxCostNano ?? terms.maxCostNano,
  };
}

/** One judge an endpoint, since the lines of a list may be for several. */
function lineJudges(intake: IntakeTerms, caller: Caller, terms: QuoteTerms): (entry: LineEntry) => QuotedRequest | InputError {
  const judges = new Map<Endpoint, (entry: LineEntry) => CheckedLine | InputError>();
  const batch = {
    tenantId: caller.tenantId,
    keyId: caller.keyId,
    allowUnpriced: caller.allowUnpriced,
    reuseMode: terms.reuseMode,
    fallbacks: terms.fallbacks === null ? null : JSON.stringify(terms.fallbacks),
    tenantFallbacks: caller.fallbacks,
    tenantModels: caller.models,
    metadata: terms.mixed ? JSON.stringify({ mixed_models: "true" }) : null,
    createdAtMs: terms.nowMs,
  };
  const house = { book: intake.book, lanes: intake.house.lanes, routes: terms.routes, rng: intake.rng };
  return (entry) => {
    const { endpoint } = entry;
    const judge = judges.get(endpoint) ?? lineJudge(house, { ...batch, endpoint }, endpoint === "/v1/messages");
    judges.set(endpoint, judge);
    const asked = terms.model === null ? entry : { ...entry, ...withModel(entry.text, entry.value, terms.model) };
    const checked = guarded(() => judge(asked), entry.no);
    if ("code" in checked) return checked;
    const { judged, error, ownDeadlineAtMs, tierAllow, no } = checked;
    if (judged === null) return { code: error?.code ?? "invalid_request", message: error?.message ?? "", param: null, line: no };
    return {
      no,
      judged,
      deadlineAtMs: ownDeadlineAtMs ?? terms.deadlineAtMs,
      allow: terms.allow ?? tierAllow,
      deny: terms.deny,
      maxCostNano: terms.maxCostNano,
    };
  };
}

/** A judge that throws for a request of the caller's has found it wrong. */
function guarded<T>(judge: () => T, no: number): T | InputError {
  try {
    return judge();
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown;
    return inputError(thrown, no);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** A request with another model; every other character stays. */
function withModel(text: string, value: JsonObject, model: string): { text: string; value: JsonObject; bytes: number } {
  const span = memberSpans(text).get("model");
  const name = JSON.stringify(model);
  const renamed = span ? replaceSpans(text, [{ span, with: name }]) : `{"model":${name},${text.trimStart().slice(1)}`;
  return { text: renamed, value: { ...value, model }, bytes: Buffer.byteLength(renamed) };
}

/** A job's envelope whose request asks another model. */
function jobWithModel(text: string, value: unknown, model: string): { text: string; value: unknown } {
  const envelope = value as { body?: JsonObject; request?: { body?: JsonObject } } | null;
  const outer = memberSpans(text);
  const nested = outer.get("request");
  const span = nested ? memberSpans(text, nested.start).get("body") : outer.get("body");
  const body = envelope?.body ?? envelope?.request?.body;
  if (span === undefined || typeof body !== "object" || body === null) return { text, value };
  const inner = withModel(text.slice(span.start, span.end), body, model);
  const renamed = replaceSpans(text, [{ span, with: inner.text }]);
  return { text: renamed, value: JSON.parse(renamed) };
}
