import { type Endpoint, type LaneId, laneClass, laneProvider, type Usage } from "@slowboat/contract";
import { type JobState, jobMay } from "@slowboat/job";
import { type PriceBook, resolveModel, routeOn, type Settlement, settlement, type Tier } from "@slowboat/pricing";
import { type AnswerReading, readAnswer } from "@slowboat/reuse";
import { type AnsweredRow, ERRAND_SURFACE, type WholeCall } from "@slowboat/store";

/** What an answered attempt comes to: the job's end, the usage, and the money as data. */
export interface SettlementFacts {
  readonly row: AnsweredRow;
  /**
   * `settle`: this answer ends the job, a cancelled one too. `waste`: it changes nothing for the job, which has its answer already, or whose batch has
   * ended with the line as cancelled, or which was cancelled and is now refused. What it cost is posted all the same.
   */
  readonly kind: "settle" | "waste";
  /** True for a 2xx answer; a refusal that is the caller's answer fails the job and costs nothing. */
  readonly ok: boolean;
  readonly usage: Usage | null;
  readonly tier: Tier | null;
  /** Why the answer ended, in the provider's word; `null` where it has none or does not say. */
  readonly finish: string | null;
  /** Why the usage could not be read, where it could not. */
  readonly quarantine: string | null;
  /** `null` when nothing is to be posted: a refusal, or a hit on a job that has ended. */
  readonly settlement: Settlement | null;
}

const UNPRICED: Settlement = { priced: false, entries: [], waterfall: null, estimated: false };

/**
 * Reads an answered attempt. Pure: the same row and book give the same facts, so that settling twice posts the same. Tokens are the
 * answer's own, read as its provider writes them, at the price of the model that answered; the tier is the answer's on real-time lanes and
 * the lane's on batch lanes, whose rows name no tier or another one. An answer that was `declined` was paid for and ends nothing. What it is measured against is the model asked for, whoever answered.
 */
export function outcomeOf(row: AnsweredRow, book: PriceBook, declined = false): SettlementFacts {
  return factsOf(row, book, declined, (endpoint) => readAnswer(endpoint, row.answer ?? ""));
}

/** The same of a call that was read when it was answered. */
export function loggedOutcome({ row, reading }: WholeCall, book: PriceBook): SettlementFacts {
  const usage = reading.usage === null ? null : (JSON.parse(reading.usage) as Usage);
  return factsOf(row, book, false, () => ({ ...reading, usage, tier: reading.tier as Tier | null }));
}

function factsOf(row: AnsweredRow, book: PriceBook, declined: boolean, read: (endpoint: Endpoint) => AnswerReading): SettlementFacts {
  const ok = row.statusCode >= 200 && row.statusCode < 300;
  const kind = mayEnd(row, ok) && !declined ? "settle" : "waste";
  const base = { row, kind, ok, usage: null, tier: null, finish: null, quarantine: null, settlement: null } as const;
  if (!ok) return base;
  if (row.sourceAttemptId !== null) return reuseOutcome(row, book, base);
  const { usage, tier: saidTier, finish, quarantine } = read((row.otherEndpoint ?? row.endpoint) as Endpoint);
  if (usage === null) return { ...base, finish, quarantine, settlement: UNPRICED };
  const lane = row.lane as LaneId;
  const asked = row.otherModel ?? row.model;
  const route = routeOn(lane, resolveModel(book, asked)?.candidates ?? [{ provider: laneProvider(lane), model: asked }]);
  const tier = laneClass(lane) === "batch" ? "batch" : (saidTier ?? route?.tier ?? "standard");
  const paid = {
    book,
    atMs: row.answeredAtMs,
    provider: route?.provider ?? laneProvider(lane),
    model: route?.model ?? asked,
    tier,
    usage,
  };
  // What Slowboat asks for itself is nobody's answer.
  const settled =
    kind === "waste" || row.surface === ERRAND_SURFACE
      ? settlement({ kind: "waste", ...paid })
      : settlement({ kind: "answer", baselineModel: row.baselineModel, ...paid });
  return { ...base, usage, tier, finish, settlement: settled };
}

/** Whether the job may still be ended by this answer: a cancelled one by an answer that was paid for, while its batch's files are open. */
const mayEnd = (row: AnsweredRow, ok: boolean): boolean => jobMay(row.jobState as JobState, ok ? "completed" : "failed") && !row.batchEnded;

function reuseOutcome(row: AnsweredRow, book: PriceBook, base: Omit<SettlementFacts, "usage">): SettlementFacts {
  if (base.kind === "waste") return { ...base, usage: null };
  const usage = row.sourceUsage === null ? null : (JSON.parse(row.sourceUsage) as Usage);
  if (usage === null) return { ...base, usage, quarantine: "the reused answer has no usage", settlement: UNPRICED };
  return { ...base, usage, settlement: settlement({ kind: "reuse", book, atMs: row.answeredAtMs, baselineModel: row.baselineModel, usage }) };
}
