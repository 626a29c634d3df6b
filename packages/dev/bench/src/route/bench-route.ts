import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, BenchOptions } from "../bench.ts";
import { FOLDS, type FoldResult, type FoldTask } from "./fold.ts";
import { FILES, type FileName, fileOf, type Labels, readLabels } from "./labels.ts";
import { routeLatency } from "./latency.ts";
import { reportRoute } from "./report.ts";
import { runFolds } from "./workers.ts";

const REPEATS = 5;
const FEW_LABELS = 1_500;
/** Folds that a quick run takes of one repeat, by file and number of labels. */
const QUICK = { mmlu: { few: 2, all: 1 }, gsm8k: 3, "nine-models": 1 } as const;

/** What routing recovers of the strong model's quality, and for which share of its calls or price: cross-validated inside the files. */
export const routeBench: Bench = async (options) => {
  const paths = Object.fromEntries(Object.keys(FILES).map((name) => [name, fileOf(options.dataDir, name as FileName)])) as Record<
    FileName,
    string | null
  >;
  const prices = pricesOf(options.dataDir);
  const skipped = [
    ...Object.entries(paths).flatMap(([name, path]) => (path === null ? [`${name}.jsonl`] : [])),
    ...(prices === null ? ["nine-models.prices.json"] : []),
  ];
  if (prices === null) paths["nine-models"] = null;
  const labels = new Map<FileName, Labels>();
  const wanted = options.only === "latency" ? latencyFile(paths) : null;
  for (const [name, path] of Object.entries(paths))
    if (path !== null && (wanted === null || name === wanted)) labels.set(name as FileName, readLabels(path, name as FileName));
  const tasks = options.only === "latency" ? [] : tasksOf(options, labels, prices ?? {});
  if (labels.size === 0) return reportRoute({ options, labels, results: [], latency: null, skipped });
  // Before the folds, while nothing else is in this process's memory and nothing else runs.
  options.say("latency");
  // The file of the most candidates: they are what a request is weighed against.
  const [name, widest] = [...labels].sort(([, a], [, b]) => b.models.length - a.models.length)[0] as [FileName, Labels];
  const latency = routeLatency(widest, promptsOf(paths[name] ?? ""), options);
  const results = await runFolds(tasks, paths, options.say);
  return reportRoute({ options, labels: results.length === 0 ? new Map() : labels, results: results.sort(inOrder), latency, skipped });
};

/** Where only the latency is asked for, the file that it is measured on is the only one read. */
const latencyFile = (paths: Readonly<Record<FileName, string | null>>): FileName => (paths["nine-models"] === null ? "mmlu" : "nine-models");

const inOrder = (a: FoldResult, b: FoldResult): number => a.task.repeat - b.task.repeat || a.task.fold - b.task.fold;
const promptsOf = (path: string): string[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { prompt: string }).prompt);

type Prices = Readonly<Record<string, { readonly input_usd_per_mtok: number; readonly output_usd_per_mtok: number }>>;

function pricesOf(dataDir: string | null): Prices | null {
  try {
    return JSON.parse(readFileSync(join(dataDir ?? "", "nine-models.prices.json"), "utf8")) as Prices;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function tasksOf({ seed, quick }: BenchOptions, labels: ReadonlyMap<FileName, Labels>, prices: Prices): FoldTask[] {
  const tasks: FoldTask[] = [];
  for (const [file, { models }] of labels) {
    const price = (model: string): number => {
      const known = prices[model];
      if (known === undefined) throw new Error(`nine-models.prices.json has no price for ${model}`);
      return (known.input_usd_per_mtok + known.output_usd_per_mtok) / 2;
    };
    const costs = models.length === 2 ? [] : models.map((model) => price(model) / price(models[0] ?? ""));
    for (let repeat = 0; repeat < (quick ? 1 : REPEATS); repeat++)
      for (let fold = 0; fold < FOLDS; fold++)
        for (const few of file === "mmlu" ? [FEW_LABELS, 0] : [0]) {
          const most = file === "mmlu" ? QUICK.mmlu[few > 0 ? "few" : "all"] : QUICK[file];
          if (!quick || fold < most) tasks.push({ file, repeat, fold, seed, labels: few, costs });
        }
  }
  return tasks;
}
