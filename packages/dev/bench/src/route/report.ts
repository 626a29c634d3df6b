import { seededRng } from "@slowboat/kernel";
import { pairedEstimate } from "@slowboat/risk";
import type { BenchOptions, BenchReport, Figure } from "../bench.ts";
import { rounded } from "../stats.ts";
import { type Calibrated, calibrationOf } from "./calibration.ts";
import { type Arm, armOf, meanArm } from "./curve.ts";
import { type FoldResult, LAMBDAS } from "./fold.ts";
import type { FileName, Labels } from "./labels.ts";
import type { Latency } from "./latency.ts";

/** Everything that was measured. */
export interface Measured {
  readonly options: BenchOptions;
  readonly labels: ReadonlyMap<FileName, Labels>;
  readonly results: readonly FoldResult[];
  readonly latency: Latency | null;
  readonly skipped: readonly string[];
}

type Named = Readonly<Record<string, ReturnType<typeof meanArm>>>;

const PUBLISHED = {
  mmlu: "RouteLLM: SW .603 (35.4 / 71.6) · causal LLM .600 (35.5 / 70.3) · MF .597 (35.5 / 71.4) · BERT .572 (41.3 / 72.2)",
  gsm8k: "RouteLLM: causal LLM .622 (33.6 / 63.3) · SW .568 (41.2 / 72.2) · MF .565 (38.8 / 72.6) · BERT .531 (44.8 / 79.1)",
} as const;

/** Makes the tables of what was measured. */
export function reportRoute({ options, labels, results, latency, skipped }: Measured): BenchReport {
  const of = (file: FileName, count: number | null): FoldResult[] =>
    results.filter(({ task }) => task.file === file && (count === null || task.labels > 0 === count > 0));
  const mmlu = labels.get("mmlu");
  const gsm8k = labels.get("gsm8k");
  const nine = labels.get("nine-models");
  const mmluArms = mmlu && {
    text_1500: meanOf(of("mmlu", 1), mmlu, "text"),
    job_1500: meanOf(of("mmlu", 1), mmlu, "job"),
    text_all: meanOf(of("mmlu", 0), mmlu, "text"),
    job_all: meanOf(of("mmlu", 0), mmlu, "job"),
    random: meanOf(of("mmlu", 1), mmlu, "random"),
    length_only: meanOf(of("mmlu", 1), mmlu, "length"),
  };
  const gsm8kArms = gsm8k && {
    prehoc: meanOf(of("gsm8k", null), gsm8k, "job"),
    ...(gsm8k.answers.length === 0
      ? {}
      : { cascade: meanOf(of("gsm8k", null), gsm8k, "cascade_plain"), cascade_stripped: meanOf(of("gsm8k", null), gsm8k, "cascade_stripped") }),
    random: meanOf(of("gsm8k", null), gsm8k, "random"),
    length_only: meanOf(of("gsm8k", null), gsm8k, "length"),
  };
  const nineFigures = nine && nineModels(of("nine-models", null));
  const calibration = calibrations(results, labels);
  const rows = Object.values(calibration).reduce((sum, part) => sum + part.rows, 0);
  const ece = rows === 0 ? null : Object.values(calibration).reduce((sum, part) => sum + part.ece * part.rows, 0) / rows;
  const arms = (named: Named | undefined): Record<string, unknown> | undefined =>
    named && Object.fromEntries(Object.entries(named).map(([name, arm]) => [name, roundedArm(arm)]));
  const digits = (part: Calibrated) => ({
    ece: rounded(part.ece, 4),
    brier: rounded(part.brier, 4),
    brier_constant: rounded(part.brier_constant, 4),
    rows: part.rows,
  });
  return {
    results: {
      ...(mmluArms && { mmlu: arms(mmluArms) }),
      ...(gsm8kArms && { gsm8k: arms(gsm8kArms) }),
      ...(nineFigures && { nine_models: nineFigures }),
      ...(ece !== null && { ece: rounded(ece, 4) }),
      calibration: Object.fromEntries(Object.entries(calibration).map(([name, part]) => [name, digits(part)])),
      ...(latency && {
        p99_ms: rounded(latency.p99_ms, 3),
        p90_ms: rounded(latency.p90_ms, 3),
        p50_ms: rounded(latency.p50_ms, 3),
        latency_of: { candidates: latency.candidates, labels: latency.labels },
      }),
      seeds: [...new Set(results.map(({ task }) => `${task.seed}/${task.repeat}`))],
      ...(skipped.length === 0 ? {} : { skipped }),
    },
    figures: [
      ...armFigures("mmlu", mmluArms, PUBLISHED.mmlu),
      ...armFigures("gsm8k", gsm8kArms, PUBLISHED.gsm8k),
      ...(nineFigures ? nineFigure(nineFigures) : []),
      ...Object.entries(calibration).map(
        ([name, part]): Figure => ({
          what: `calibration, ${name}`,
          ours: `ECE ${rounded(part.ece, 3)}`,
          beside: `Brier ${rounded(part.brier, 4)}, a constant's ${rounded(part.brier_constant, 4)}`,
        }),
      ),
      ...(latency
        ? [
            {
              what: `one request of 4 kB, ${latency.candidates} candidates, ${latency.labels} labels: p50 / p90 / p99 ms`,
              ours: [latency.p50_ms, latency.p90_ms, latency.p99_ms].map((ms) => rounded(ms, 2)).join(" / "),
              beside: "limit 1 ms",
            },
          ]
        : []),
    ],
    notes: notes(options, results),
    ran: results.length > 0 || latency !== null,
  };
}

const roundedArm = (arm: Arm & { readonly apgr_sd: number }) => ({
  apgr: rounded(arm.apgr, 4),
  cpt50: rounded(arm.cpt50, 1),
  cpt80: rounded(arm.cpt80, 1),
  apgr_sd: rounded(arm.apgr_sd, 4),
});

/** One arm over all repeats: within a repeat the folds are added up. */
function meanOf(results: readonly FoldResult[], labels: Labels, column: string): ReturnType<typeof meanArm> {
  const repeats = [...new Set(results.map(({ task }) => task.repeat))];
  return meanArm(
    repeats.map((repeat) => {
      const rng = seededRng((results[0]?.task.seed ?? 1) * 31 + repeat * 101 + 5);
      const folds = results.filter(({ task }) => task.repeat === repeat);
      return armOf(
        folds.map(({ rows, columns }) => ({
          scores:
            column === "random"
              ? rows.map(() => rng.float())
              : column === "length"
                ? rows.map((i) => labels.lengths[i] ?? 0)
                : (columns[column] ?? []),
          strong: rows.map((i) => labels.examples[i]?.scores[0] ?? 0),
          weak: rows.map((i) => labels.examples[i]?.scores[1] ?? 0),
        })),
        rng,
      );
    }),
  );
}

function armFigures(file: string, named: Named | undefined, published: string): Figure[] {
  return Object.entries(named ?? {}).map(([name, arm], no) => ({
    what: `${file}, ${name.replaceAll("_", " ")}: APGR (CPT50 / CPT80)`,
    ours: `${arm.apgr.toFixed(3)} ± ${arm.apgr_sd.toFixed(3)} (${rounded(arm.cpt50, 1)} / ${rounded(arm.cpt80, 1)})`,
    beside: no === 0 ? published : "",
  }));
}

const flat = (results: readonly FoldResult[], column: string): number[] => results.flatMap(({ columns }) => columns[column] ?? []);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

function nineModels(results: readonly FoldResult[]) {
  const best = flat(results, "best_score");
  const table = LAMBDAS.map((_, no) => ({ scores: flat(results, `table_score_${no}`), price: mean(flat(results, `table_price_${no}`)) })).sort(
    (a, b) => a.price - b.price,
  );
  const arm = (name: "job" | "text") => {
    const scores = flat(results, `${name}_score`);
    const price = mean(flat(results, `${name}_price`));
    // The table at the same price: a mixture of the two lambdas on either side.
    const above = table.findIndex((row) => row.price >= price);
    const [low, high] = [table[Math.max(0, above - 1)], table[above < 0 ? table.length - 1 : above]];
    const share =
      low === undefined || high === undefined || high.price <= low.price
        ? 0
        : Math.min(1, Math.max(0, (price - low.price) / (high.price - low.price)));
    const beside = scores.map((_, i) => (1 - share) * (low?.scores[i] ?? 0) + share * (high?.scores[i] ?? 0));
    const versus = (others: readonly number[]) => {
      const {
        mean: difference,
        low: from,
        high: to,
      } = pairedEstimate(
        perRow(
          results,
          scores.map((score, i) => score - (others[i] ?? 0)),
        ),
      );
      return { difference: rounded(difference, 4), low: rounded(from, 4), high: rounded(to, 4) };
    };
    return {
      accuracy: rounded(mean(scores), 4),
      price_ratio: rounded(price, 4),
      table_accuracy_at_price: rounded(mean(beside), 4),
      over_table: versus(beside),
      over_best_single: versus(best),
    };
  };
  const { accuracy, price_ratio, ...rest } = arm("job");
  return { accuracy, best_single_accuracy: rounded(mean(best), 4), price_ratio, ...rest, text_only: arm("text") };
}

/** Differences of the same row in several repeats as one, so that no row counts as more evidence than it is. */
function perRow(results: readonly FoldResult[], differences: readonly number[]): number[] {
  const byRow = new Map<number, { sum: number; count: number }>();
  results
    .flatMap(({ rows }) => rows)
    .forEach((row, i) => {
      const known = byRow.get(row) ?? { sum: 0, count: 0 };
      byRow.set(row, { sum: known.sum + (differences[i] ?? 0), count: known.count + 1 });
    });
  return [...byRow.values()].map(({ sum, count }) => sum / count);
}

function nineFigure(nine: ReturnType<typeof nineModels>): Figure[] {
  const line = (
    name: string,
    { accuracy, price_ratio, table_accuracy_at_price, over_table }: Omit<typeof nine, "best_single_accuracy" | "text_only">,
  ): Figure => ({
    what: `nine models, ${name}: accuracy at share of the price`,
    ours: `${accuracy.toFixed(3)} at ${price_ratio.toFixed(3)}`,
    beside: `best single ${nine.best_single_accuracy} at 1 · task means at this price ${table_accuracy_at_price.toFixed(3)} (paired difference ${over_table.difference}, 95 % ${over_table.low} to ${over_table.high})`,
  });
  return [line("job and text", nine), line("text only", nine.text_only)];
}

function calibrations(results: readonly FoldResult[], labels: ReadonlyMap<FileName, Labels>): Record<string, Calibrated> {
  const parts: Record<string, Calibrated> = {};
  const put = (name: string, file: FileName, column: string, count: number | null): void => {
    const chosen = results.filter(
      ({ task, columns }) => task.file === file && columns[column] !== undefined && (count === null || task.labels === count),
    );
    const of = labels.get(file);
    if (chosen.length === 0 || of === undefined) return;
    const came = chosen.flatMap(({ rows }) => rows.map((i) => of.examples[i]?.scores[1] ?? 0));
    parts[name] = calibrationOf(flat(chosen, column), came, flat(chosen, "constant"));
  };
  put("mmlu, 1,500 labels", "mmlu", "quality", results.find(({ task }) => task.file === "mmlu" && task.labels > 0)?.task.labels ?? 0);
  put("mmlu, all labels", "mmlu", "quality", 0);
  put("gsm8k, before the answer", "gsm8k", "quality", null);
  put("gsm8k, after the answer", "gsm8k", "right_plain", null);
  put("nine models", "nine-models", "job_quality_1", null);
  return parts;
}

function notes({ seed }: BenchOptions, results: readonly FoldResult[]): string[] {
  const repeats = new Set(results.map(({ task }) => task.repeat)).size;
  return [
    `Cross-validated inside the files: 5 shuffled folds, ${repeats} repeat${repeats === 1 ? "" : "s"} of seed ${seed}; score ties broken at random; one setting for all files. ± is the spread over the repeats.`,
    "RouteLLM's figures are published ones, on all rows of the files. Its MMLU rows used about 1,500 labels of MMLU's validation part and 65,000 arena pairs; ours use labels of",
    "the test file's other rows and nothing else. Its GSM8K rows had no labels of GSM8K at all: part of our lead there is the benefit of labels from one's own traffic.",
    "The cascade reads the cheap model's answer and is a class of its own: its share counts strong calls only, the cheap call is made for every request beside them.",
    "Most of the cheap model's GSM8K answers follow a few-shot form with calculator marks; the arm named stripped reads them without. MMLU's job key is not in the prompt.",
    "Prices of the nine models are list prices a token, without token counts: a price index, not a bill.",
  ];
}
