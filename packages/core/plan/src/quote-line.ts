import { type LaneId, NO_USAGE } from "@slowboat/contract";
import type { FaultCode } from "@slowboat/kernel";
import { baseline, type ModelRef, quote as priceOn } from "@slowboat/pricing";
import { judgeChain } from "./chain.ts";
import { admit } from "./decide.ts";
import { mendedCost } from "./mended-cost.ts";
import type { Mend } from "./option.ts";
import { longOutput, type OutputModel, type OutputTokens, outputTokens } from "./outputs.ts";
import { openRooms } from "./quota-rooms.ts";
import { rescuePriceNano } from "./rescue-price.ts";
import type { PlanJob, Snapshot } from "./snapshot.ts";

/** What lines of one kind have in common: everything but their sizes. */
export interface QuoteKind {
  readonly job: Omit<PlanJob, "inputTokens" | "outputTokens" | "cached">;
  /** What savings are measured against. */
  readonly baselineModel: string;
  readonly outputs: OutputModel;
}

/** One request of the work. */
export interface QuoteLine {
  readonly inputTokens: number;
  /** As the planner counts it. */
  readonly outputTokens: number;
  /** The request's own bound on its answer; `null` for none. */
  readonly limit: number | null;
  /** An answer is kept, or an earlier line asks the same. */
  readonly cached: boolean;
}

/** Money at answers of usual length (half are shorter), of mean length, and of a length that 95 of 100 do not exceed. */
export interface Spread {
  readonly low: bigint;
  readonly expected: bigint;
  readonly high: bigint;
}

/** Why a line would be turned away. */
export interface LineRefusal {
  readonly code: FaultCode;
  readonly message: string;
  readonly earliestFeasibleAtMs: number | null;
}

/** What a line comes to, wherever it goes. */
export interface QuotedLine {
  /** Its price on each lane; `null` where there is none. */
  readonly prices: ReadonlyMap<LaneId, Spread | null>;
  readonly naive: Spread | null;
  /** Where the planner would put it; `null` for nowhere. */
  readonly lane: LaneId | null;
  readonly unpriced: boolean;
  readonly cost: Spread;
  /** What a budget would hold for it. */
  readonly reservationNano: bigint;
  readonly refusal: LineRefusal | null;
}

export const NO_MONEY: Spread = { low: 0n, expected: 0n, high: 0n };

/** What the planner decides for a line of some size. */
interface Choice {
  readonly lane: LaneId | null;
  readonly candidates: readonly ModelRef[];
  readonly mend: Mend | null;
  readonly inTime: number;
  readonly refusal: LineRefusal | null;
}

/** Choices remembered of one kind. */
const MEMO = 5_000;

/**
 * Quotes the lines of one kind, one by one. Lines with the same answer length whose prompts differ by less than a tenth are decided together, since the choice
 * rests on the ratio of prices and on time; with a bound on the cost every line is decided by itself. Prices are always of the line itself.
 */
export function lineQuoter(kind: QuoteKind, view: Snapshot, nowMs: number): (line: QuoteLine) => QuotedLine {
  const tariff = openTariff(view, nowMs);
  const choices = new Map<string, Choice>();
  const lengths = new Map<number | null, OutputTokens>();
  const rooms = openRooms(view.quotas, kind.job, nowMs);
  const ahead = new Map<string, number>();
  const choiceOf = (line: QuoteLine): Choice => {
    const found = line.cached ? undefined : rooms?.at(line.inputTokens, (key) => ahead.get(key) ?? 0);
    const waits = found === undefined ? "" : [...found].map(([room, { waitMs }]) => `${room} ${waitMs}`).join();
    const prompt = kind.job.maxCostNano === null ? Math.floor(8 * Math.log2(Math.max(1, line.inputTokens))) : line.inputTokens;
    const key = `${prompt} ${line.outputTokens} ${line.cached} ${waits}`;
    const choice = choices.get(key) ?? choose({ ...kind, job: { ...kind.job, rooms: found } }, line, view, nowMs);
    if (choices.size < MEMO) choices.set(key, choice);
    // What goes to a quota stands there before the lines that follow.
    const room = rooms?.keys.find((one) => one.startsWith(`${choice.lane} `));
    if (room !== undefined) ahead.set(room, (ahead.get(room) ?? 0) + line.inputTokens);
    return choice;
  };
  // What a budget would hold for the line, by the same function.
  const { candidates, fallbacks = [], allow, deny, maxCostNano } = kind.job;
  const models = [{ candidates }, ...fallbacks.filter((model) => model.refused === null)];
  const asked = { models, allow, deny, maxCostNano, lanes: view.lanes.map(({ id }) => id), interactive: false };
  return (line) => {
    const { inputTokens } = line;
    const tokens = lengths.get(line.limit) ?? outputTokens(kind.outputs, line.limit);
    lengths.set(line.limit, tokens);
    const priced = (lane: LaneId, candidates: readonly ModelRef[]): Spread | null => tariff.on(lane, candidates, inputTokens, tokens);
    const prices = new Map(view.lanes.map(({ id }) => [id, priced(id, kind.job.candidates)] as const));
    const naive = tariff.naive(kind.baselineModel, inputTokens, tokens);
    const { lane, candidates, mend, inTime, refusal } = choiceOf(line);
    const nothing = { prices, naive, lane, unpriced: false, cost: NO_MONEY, reservationNano: 0n, refusal };
    if (lane === null || lane === "cache") return nothing;
    const own = priced(lane, candidates);
    if (own === null) return { ...nothing, unpriced: true };
    const rescue = mend === null ? null : priced(mend.lane, candidates);
    const held =
      line.limit === null
        ? { ...asked, maxCostNano: null, outputTokens: Math.max(line.outputTokens, longOutput(kind.outputs)) }
        : { ...asked, outputTokens: line.outputTokens };
    const reservationNano = rescuePriceNano(view.book, { ...held, inputTokens }, nowMs);
    if (reservationNano === null) return { ...nothing, unpriced: true };
    if (mend === null || rescue === null) return { ...nothing, cost: own, reservationNano };
    const { expectedNano } = mendedCost(own.expected, rescue.expected, mend.waste, inTime);
    return { ...nothing, cost: { ...own, expected: expectedNano }, reservationNano };
  };
}

function choose(kind: QuoteKind, { inputTokens, outputTokens: output, cached }: QuoteLine, view: Snapshot, nowMs: number): Choice {
  const job: PlanJob = { ...kind.job, inputTokens, outputTokens: output, cached };
  const none: Choice = { lane: null, candidates: job.candidates, mend: null, inTime: 1, refusal: null };
  const verdict = admit(job, view, nowMs);
  if (verdict.kind === "refuse") {
    const { code, message, earliestFeasibleAtMs } = verdict;
    return { ...none, refusal: { code, message, earliestFeasibleAtMs } };
  }
  const { lane, fallback } = verdict.decision;
  if (lane === "cache") return { ...none, lane };
  const level = judgeChain(job, view, nowMs).find((one) => (fallback === undefined ? one.fallback === null : one.name === fallback.name));
  const option = level?.judged.find((one) => one.lane === lane);
  return { ...none, lane, candidates: level?.fallback?.candidates ?? job.candidates, mend: option?.mend ?? null, inTime: option?.inTime ?? 1 };
}

/** Pico-USD a token; a price is linear in tokens up to the length from which another row of the book holds. */
interface Rates {
  readonly input: number;
  readonly output: number;
}

/** The book's prices for many lines of one kind: the same figures, without asking the book for each. */
function openTariff({ book }: Snapshot, nowMs: number) {
  const known = new Map<string, Rates | null>();
  const steps = new Map<string, number>();
  const ratesOf = (key: string, priceOf: PriceOf): Rates | null => {
    const found = known.get(key);
    if (found !== undefined) return found;
    // A thousand tokens cost as many nano-dollars as one costs pico-dollars.
    const input = priceOf(1000, 0);
    const output = priceOf(0, 1000);
    const rates = input === null ? null : { input: Number(input), output: output === null ? Number.NaN : Number(output) };
    known.set(key, rates);
    return rates;
  };
  const spreadOf = (key: string, priceOf: PriceOf, inputTokens: number, tokens: OutputTokens, models: readonly string[]): Spread | null => {
    const most = Math.min(...models.map(stepOf));
    const rates = ratesOf(key, priceOf);
    if (rates === null) return null;
    // Answers in numbers have no tokens, and no price for them.
    const linear = inputTokens <= most && (tokens.high === 0 || !Number.isNaN(rates.output));
    const at = (output: number): bigint | null =>
      linear ? BigInt(nanoOf(inputTokens * rates.input + (output === 0 ? 0 : output * rates.output))) : priceOf(inputTokens, output);
    const low = at(tokens.low);
    const expected = at(tokens.expected);
    const high = at(tokens.high);
    return low === null || expected === null || high === null ? null : { low, expected, high };
  };
  /** The prompt length from which some row of a model's is another one. */
  const stepOf = (model: string): number => {
    const found = steps.get(model);
    if (found !== undefined) return found;
    const id = book.priceIds.get(model) ?? model;
    let least = Number.POSITIVE_INFINITY;
    for (const list of book.rows.values())
      for (const row of list) if (row.model === id && row.aboveTokens > 0) least = Math.min(least, row.aboveTokens);
    steps.set(model, least);
    return least;
  };
  return {
    on: (lane: LaneId, candidates: readonly ModelRef[], inputTokens: number, tokens: OutputTokens): Spread | null => {
      const priceOf: PriceOf = (input, output) => {
        const cost = priceOn(book, { candidates, inputTokens: input, outputTokens: output }, lane, nowMs);
        return cost.unpriced ? null : cost.nano;
      };
      const models = candidates.map((one) => one.model);
      return spreadOf(`${lane} ${models.join(" ")}`, priceOf, inputTokens, tokens, models);
    },
    naive: (model: string, inputTokens: number, tokens: OutputTokens): Spread | null => {
      const priceOf: PriceOf = (input, output) => {
        const cost = baseline(book, model, { ...NO_USAGE, input, output }, nowMs);
        return cost.unpriced ? null : cost.nano;
      };
      return spreadOf(`naive ${model}`, priceOf, inputTokens, tokens, [model]);
    },
  };
}

type PriceOf = (inputTokens: number, outputTokens: number) => bigint | null;

/** Pico-dollars in nano-dollars, half to even, as the book rounds them. */
function nanoOf(pico: number): number {
  const whole = Math.floor(pico / 1000);
  const rest = pico - whole * 1000;
  return rest > 500 || (rest === 500 && whole % 2 === 1) ? whole + 1 : whole;
}
