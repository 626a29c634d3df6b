import { isAccount, type LaneId, type LedgerAccount, laneClass, type Waterfall } from "@slowboat/contract";
import { addNano, formatUsd, type NanoUsd, nano } from "@slowboat/kernel";
import { waterfallOf } from "@slowboat/pricing";
import type { ReceiptFacts } from "@slowboat/store";

/**
 * The ledger's sums as a waterfall. Throws when they do not balance or hold an account that this version does not know, for then
 * no figure of the receipt can be trusted.
 */
export function ledgerWaterfall(accounts: ReceiptFacts["accounts"]): Waterfall {
  const total = accounts.reduce((sum, one) => sum + one.amountNano, 0n);
  if (total !== 0n) throw new Error(`the ledger does not balance: its entries sum to ${formatUsd(nano(total))} USD`);
  const unknown = accounts.find((one) => !isAccount(one.account));
  if (unknown) throw new Error(`the ledger has an account that this version does not know: ${unknown.account}`);
  return waterfallOf(accounts as readonly { account: LedgerAccount; amountNano: bigint }[]);
}

/** What the own pool's answers cost by the price book: imputed, since nobody sends a bill for them. */
export const poolPaid = (accounts: ReceiptFacts["accounts"]): NanoUsd =>
  addNano(...accounts.filter((one) => one.account === "payable.pool").map((one) => nano(one.amountNano)));

/** What the receipt shows besides the ledger. */
export interface ReceiptView {
  readonly title: string;
  readonly facts: ReceiptFacts;
  /** When the last answer came and how long all of it took, in words; `null` where that was not measured. */
  readonly took: string | null;
  readonly resultFiles: readonly string[];
  readonly consoleUrl: string | null;
  readonly columns: number;
  readonly colour: boolean;
}

const LINE_NAMES: Partial<Record<LedgerAccount, string>> = {
  "saving.cache": "cache and dedupe",
  "saving.routing": "model routing",
  "saving.context": "context",
  "saving.batch": "batch lanes",
  "saving.flex": "flex",
  "saving.pool": "own pool",
  "saving.prompt-cache": "prompt cache",
  waste: "waste",
};

/** Draws the receipt: jobs by outcome and lane, deadlines, and the waterfall as bars whose figures sum exactly. No trailing newline. */
export function drawReceipt(view: ReceiptView): string {
  const { facts } = view;
  const paint = painter(view.colour);
  // Throws for a ledger that does not balance: that it does is said below.
  const waterfall = ledgerWaterfall(facts.accounts);
  const outcomes = tally(facts.jobs, (row) => row.state);
  const lanes = tally(facts.jobs, (row) => nameOfLane(row.lane));
  const total = facts.jobs.reduce((sum, row) => sum + row.jobs, 0);
  const met = facts.withDeadline - facts.deadlinesMissed;
  const rows: [string, string][] = [
    ["jobs", `${group(total)}: ${outcomes}`],
    ["lanes", lanes],
    [
      "deadlines",
      facts.withDeadline === 0
        ? "none set"
        : `${group(met)} of ${group(facts.withDeadline)} met${facts.deadlinesMissed > 0 ? paint("red", `, ${group(facts.deadlinesMissed)} missed`) : ""}`,
    ],
  ];
  if (view.took !== null) rows.push(["took", view.took]);
  if (facts.suspense.attempts > 0)
    rows.push(["suspense", paint("red", `${group(facts.suspense.attempts)} attempts in suspense, at most $${usd(facts.suspense.amountNano)}`)]);
  if (facts.unpriced > 0) rows.push(["unpriced", `${group(facts.unpriced)} jobs of models without a price: in no sum below`]);
  rows.push(["ledger", "balances to the nano-dollar"]);
  if (facts.unsettled > 0) rows.push(["unsettled", `${group(facts.unsettled)} answers saved, not settled yet`]);
  const bottom: [string, string][] = [];
  for (const file of view.resultFiles) bottom.push([bottom.length === 0 ? "results" : "", file]);
  if (view.consoleUrl !== null) bottom.push(["console", view.consoleUrl]);
  const table = (pairs: readonly [string, string][]): string[] => pairs.map(([name, text]) => `  ${name.padEnd(11)}${text}`);
  return [
    paint("bold", view.title),
    ...(facts.emulated ? [paint("dim", "  emulated provider: no money is spent")] : []),
    "",
    ...table(rows),
    "",
    ...(facts.accounts.length === 0 && facts.unpriced > 0
      ? ["  unpriced: what it cost is not known here"]
      : drawWaterfall(waterfall, poolPaid(facts.accounts), view.columns, paint)),
    ...(bottom.length > 0 ? ["", ...table(bottom)] : []),
  ].join("\n");
}

type Paint = (style: "bold" | "dim" | "red" | "green" | "cyan", text: string) => string;

const CODES = { bold: 1, dim: 2, red: 31, green: 32, cyan: 36 };

const painter =
  (colour: boolean): Paint =>
  (style, text) =>
    colour ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;

/** Each bar hangs where the one before ended: list, down by every saving, up by waste, to what was paid. */
function drawWaterfall(waterfall: Waterfall, pool: NanoUsd, columns: number, paint: Paint): string[] {
  const lines = waterfall.lines.map((line) => ({ name: LINE_NAMES[line.account] ?? line.account, amount: -line.amountNano }));
  const rows = [{ name: "list price", amount: waterfall.listNano }, ...lines, { name: "cost", amount: waterfall.paidNano }];
  const parts = [
    { name: "  paid to providers", amount: waterfall.paidNano - pool },
    { name: "  own pool, imputed", amount: pool },
  ];
  const decimals = Math.max(...[...rows, ...parts].map((row) => decimalsOf(row.amount)));
  const figures = [...rows, ...parts].map(({ amount }) => (amount < 0n ? `-$${fixedUsd(-amount, decimals)}` : `$${fixedUsd(amount, decimals)}`));
  const figureWidth = Math.max(...figures.map((figure) => figure.length));
  const barWidth = Math.max(10, Math.min(60, columns - NAME_WIDTH - 16 - figureWidth));
  const ends = rows.map((_, index) => rows.slice(0, index + 1).reduce((sum, row) => sum + row.amount, 0n));
  // Waste can carry the sum above the list price: the highest point fills the width.
  const full = ends.slice(0, -1).reduce((most, end) => (end > most ? end : most), 0n);
  const bars = rows.map((row, index) => {
    const whole = index === 0 || index === rows.length - 1;
    const from = whole ? 0n : (ends[index - 1] ?? 0n);
    const to = from + row.amount;
    const bar = drawBar(from < to ? from : to, from < to ? to : from, full, barWidth);
    const style = whole ? "cyan" : row.amount > 0n ? "red" : "green";
    const share = !whole && waterfall.listNano > 0n ? `  ${percent(row.amount, waterfall.listNano)}` : "";
    return `  ${row.name.padEnd(NAME_WIDTH)}${(figures[index] ?? "").padStart(figureWidth)} ${paint(style, bar)}${share}`;
  });
  return [...bars, ...parts.map(({ name }, nth) => `  ${name.padEnd(NAME_WIDTH)}${(figures[rows.length + nth] ?? "").padStart(figureWidth)}`)];
}

const NAME_WIDTH = 21;

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar from `from` to `to` on a scale of `full` = `width` cells; its right end to an eighth of a cell, at least a sliver where it is not 0. */
function drawBar(from: bigint, to: bigint, full: bigint, width: number): string {
  if (full <= 0n) return "";
  const start = Number(((from < 0n ? 0n : from) * BigInt(width)) / full);
  const end8 = Number((to * BigInt(width * 8)) / full);
  const cells = Math.max(0, Math.floor(end8 / 8) - start);
  const bar = "█".repeat(cells) + (EIGHTHS[end8 % 8] ?? "");
  return " ".repeat(start) + (bar === "" && to > from ? "▏" : bar);
}

const percent = (part: bigint, whole: bigint): string => {
  // To the nearest tenth, a half away from zero.
  const tenths = Number((part * 2000n + (part < 0n ? -whole : whole)) / (whole * 2n));
  // Against a list price of next to nothing a share says nothing, and would not fit the line.
  if (Math.abs(tenths) >= 10_000) return tenths > 0 ? "> +999.9 %" : "< -999.9 %";
  return `${tenths > 0 ? "+" : ""}${(tenths / 10).toFixed(1)} %`;
};

/** Dollars with exactly so many decimals, rounded to the nearest: figures of one column stand under one another. */
export function fixedUsd(amount: bigint, decimals: number): string {
  const unit = 10n ** BigInt(9 - decimals);
  const digits = ((amount + unit / 2n) / unit).toString().padStart(decimals + 1, "0");
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

const decimalsOf = (amount: bigint): number => usd(amount < 0n ? -amount : amount).split(".")[1]?.length ?? 0;

/** A lane as a reader of the receipt calls it: a provider's name alone does not say that it answered in real time. */
const nameOfLane = (lane: string | null): string => (lane === null ? "none" : laneClass(lane as LaneId) === "realtime" ? `${lane} real-time` : lane);

const usd = (amount: bigint): string => formatUsd(nano(amount));

const group = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, " ");

function tally<T extends { readonly jobs: number }>(rows: readonly T[], by: (row: T) => string): string {
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(by(row), (sums.get(by(row)) ?? 0) + row.jobs);
  return (
    [...sums]
      .sort((a, b) => b[1] - a[1])
      .map(([name, jobs]) => `${group(jobs)} ${name}`)
      .join(" · ") || "none"
  );
}
