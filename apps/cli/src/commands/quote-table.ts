import { count, dollars, grid, localTime, percent } from "./words.ts";

interface Price {
  readonly low_nano: string;
  readonly expected_nano: string;
  readonly high_nano: string;
}

/** `POST /v1/quote`, as far as it is drawn. */
export interface QuoteShown {
  readonly quoted_at: string;
  readonly deadline: string | null;
  readonly requests: number;
  readonly feasible: boolean;
  readonly cached: { readonly known: number; readonly repeated: number };
  readonly lanes: readonly {
    readonly lane: string;
    readonly requests: number;
    readonly chosen: number;
    readonly eligible: boolean;
    readonly reason: string;
    readonly price: Price | null;
    readonly p50_finish: string | null;
    readonly p90_finish: string | null;
    readonly miss_probability: number | null;
  }[];
  readonly plan: {
    readonly requests: number;
    readonly price: Price;
    readonly naive: Price | null;
    readonly saving_share: number | null;
    readonly reservation_nano: string;
    readonly unpriced: number;
    readonly p50_finish: string | null;
    readonly p90_finish: string | null;
    readonly miss_probability: number | null;
  };
  readonly admission?: { readonly class: string; readonly reason: string } | null;
  readonly refusals: readonly {
    readonly code: string;
    readonly message: string;
    readonly requests: number;
    readonly earliest_feasible_deadline: string | null;
  }[];
  readonly errors: {
    readonly count: number;
    readonly data: readonly { readonly line: number | null; readonly code: string; readonly message: string }[];
  };
  readonly rests_on: {
    readonly answers: Readonly<Record<string, { readonly seen: number; readonly median_tokens: number }>>;
    readonly turnaround: Readonly<Record<string, { readonly seen: number }>>;
  };
}

/** Bad lines drawn one by one. */
const ERRORS_SHOWN = 20;

/** Draws a quote for a person: the lanes, the planner's mix, the total against the naive call. Times are this machine's. */
export function drawQuote(quote: QuoteShown, view: { readonly name: string; readonly columns: number; readonly colour: boolean }): string {
  const { plan, lanes, refusals, errors } = quote;
  const at = (instant: string | null): string => (instant === null ? "-" : localTime(instant, quote.quoted_at));
  const by = quote.deadline === null ? "as soon as may be" : `by ${at(quote.deadline)}`;
  const out = [`Quote for ${view.name}: ${count(quote.requests)} ${quote.requests === 1 ? "request" : "requests"} ${by}`, ""];
  const money = lanes.flatMap(({ price }) => (price === null ? [] : [price.low_nano, price.expected_nano, price.high_nano])).map(BigInt);
  const usd = dollars([...money, BigInt(plan.price.expected_nano)]);
  const range = (price: Price): string => `${usd(BigInt(price.low_nano))} to ${usd(BigInt(price.high_nano))}`;
  const shown = lanes.filter((one) => one.price !== null);
  const rows = shown.map((one) => [
    one.lane,
    one.price === null ? "-" : usd(BigInt(one.price.expected_nano)),
    one.price === null ? "-" : range(one.price),
    at(one.p50_finish),
    at(one.p90_finish),
    one.miss_probability === null ? "-" : percent(one.miss_probability),
    one.chosen > 0 ? `chosen for ${count(one.chosen)}` : one.eligible ? "" : "out",
  ]);
  out.push(...grid([["LANE", "#PRICE", "#RANGE", "HALF DONE", "90% DONE", "#LATE", ""], ...rows], view.columns));
  const absent = lanes.filter((one) => one.price === null || !one.eligible);
  if (absent.length > 0) out.push("", ...absent.map((one) => `  not ${one.lane}: ${one.reason}`));
  if (plan.requests > 0) out.push("", ...totals(quote, usd, at, range));
  for (const one of refusals) {
    const when = one.earliest_feasible_deadline === null ? "" : ` Earliest: ${at(one.earliest_feasible_deadline)}.`;
    out.push("", `Refused (${count(one.requests)}): ${one.message}${when}`);
  }
  if (errors.count > 0) {
    out.push("", `${count(errors.count)} bad ${errors.count === 1 ? "line" : "lines"}, left out of every figure:`);
    for (const one of errors.data.slice(0, ERRORS_SHOWN)) out.push(`  line ${one.line ?? "?"}: ${one.code}: ${one.message}`);
    if (errors.count > ERRORS_SHOWN) out.push(`  and ${count(errors.count - ERRORS_SHOWN)} more; --json lists up to a thousand`);
  }
  out.push("", restsOn(quote));
  return out.join("\n");
}

function totals(quote: QuoteShown, usd: (nano: bigint) => string, at: (instant: string | null) => string, range: (price: Price) => string): string[] {
  const { plan, cached, admission } = quote;
  const saving =
    plan.saving_share === null ? "" : `, ${percent(plan.saving_share)} less than ${usd(BigInt(plan.naive?.expected_nano ?? 0))} in real time`;
  const lines: [string, string][] = [
    ["total", `${usd(BigInt(plan.price.expected_nano))} expected, rescues counted in${saving}`],
    ["range", range(plan.price)],
    ["reserve", `${usd(BigInt(plan.reservation_nano))}, if all of it had to be rescued`],
    ["done", `${at(plan.p50_finish)} in half of all cases, ${at(plan.p90_finish)} in nine of ten`],
  ];
  if (plan.miss_probability !== null) lines.push(["late", percent(plan.miss_probability)]);
  if (admission) lines.push(["admission", `${admission.class}: ${admission.reason}`]);
  if (cached.known + cached.repeated > 0)
    lines.push(["free", `${count(cached.known)} answers are kept, ${count(cached.repeated)} requests repeat an earlier one`]);
  if (plan.unpriced > 0) lines.push(["unpriced", `${count(plan.unpriced)} requests have no price and are in no sum`]);
  return lines.map(([name, text]) => `${name.padEnd(11)}${text}`);
}

/** What the figures stand on. */
function restsOn({ rests_on: { answers, turnaround } }: QuoteShown): string {
  const own = (seen: number): string => (seen === 0 ? "published figures" : `${count(seen)} of your own`);
  const lengths = Object.entries(answers).map(([model, one]) => `${model} ${own(one.seen)}`);
  const batches = Object.entries(turnaround).map(([lane, one]) => `${lane} ${own(one.seen)}`);
  return `Answer lengths: ${lengths.join(", ") || "none"}. Batch times: ${batches.join(", ") || "none"}.`;
}
