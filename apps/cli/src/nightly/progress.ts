import { formatUsd, nano } from "@slowboat/kernel";
import type { ReceiptFacts } from "@slowboat/store";
import { ledgerWaterfall } from "./receipt.ts";

/** What the line shows at one instant; instants are job time. */
export interface ProgressView {
  readonly phase: string;
  readonly facts: ReceiptFacts;
  /** Jobs that will be there when every batch is read; the rows may be fewer yet. */
  readonly total: number;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly deadlineAtMs: number | null;
  readonly columns: number;
}

const BAR_CELLS = 14;

/** One line: a bar, done of total, phase, lanes, job time and ETA against the deadline, money. Cut to the terminal's width. */
export function progressLine(view: ProgressView): string {
  const done = doneOf(view.facts);
  const cells = view.total === 0 ? 0 : Math.floor((done / view.total) * BAR_CELLS);
  const money = ledgerWaterfall(view.facts.accounts);
  const parts = [
    `▕${"█".repeat(cells)}${" ".repeat(BAR_CELLS - cells)}▏ ${done}/${view.total}`,
    view.phase,
    `${wall(view.nowMs)} ${eta(view, done)}`,
    `$${short(money.paidNano)} spent, $${short(money.listNano - money.paidNano)} saved${view.facts.emulated ? " (emulated)" : ""}`,
    laneMix(view.facts),
  ].filter((part) => part !== "");
  const text = parts.join(" · ");
  return [...text].length <= view.columns ? text : `${[...text].slice(0, Math.max(0, view.columns - 1)).join("")}…`;
}

/** Jobs at their end, whatever the end. */
export const doneOf = (facts: ReceiptFacts): number =>
  facts.jobs.reduce((sum, row) => sum + (["completed", "failed", "cancelled"].includes(row.state) ? row.jobs : 0), 0);

function laneMix(facts: ReceiptFacts): string {
  const lanes = new Map<string, number>();
  for (const row of facts.jobs) if (row.lane !== null) lanes.set(row.lane, (lanes.get(row.lane) ?? 0) + row.jobs);
  return [...lanes]
    .sort((a, b) => b[1] - a[1])
    .map(([lane, jobs]) => `${lane} ${jobs}`)
    .join(" ");
}

/** From the pace so far, as a range: the rest may go a third faster, or half again as slow. */
function eta(view: ProgressView, done: number): string {
  const deadline =
    view.deadlineAtMs === null ? "" : ` (deadline ${wall(view.deadlineAtMs)}${view.nowMs > view.deadlineAtMs && done < view.total ? " missed" : ""})`;
  if (done >= view.total && view.total > 0) return `all answered${deadline}`;
  const passedMs = view.nowMs - view.startedAtMs;
  if (done === 0 || passedMs <= 0) return `ETA unknown${deadline}`;
  const restMs = (passedMs / done) * (view.total - done);
  return `ETA ${wall(view.nowMs + restMs * 0.67)}–${wall(view.nowMs + restMs * 1.5)}${deadline}`;
}

const wall = (ms: number): string => {
  const at = new Date(ms);
  return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
};

/** Four decimals are enough for a line that changes every second; the receipt has them all. */
const short = (amount: bigint): string => formatUsd(nano((amount / 100_000n) * 100_000n));

/** Where progress goes: one line that is rewritten in a terminal, else a line now and then. */
export interface ProgressOut {
  show(line: string): void;
  /** Leaves the last line standing. */
  end(): void;
}

/** `everyMs`: how often a line is written where nothing can be rewritten. */
export function progressOut(stream: NodeJS.WriteStream, everyMs: number, nowMs: () => number): ProgressOut {
  let last = Number.NEGATIVE_INFINITY;
  let standing = false;
  return {
    show: (line) => {
      if (stream.isTTY) {
        stream.write(`\r\u001b[2K${line}`);
        standing = true;
      } else if (nowMs() - last >= everyMs) {
        last = nowMs();
        stream.write(`${line}\n`);
      }
    },
    end: () => {
      if (standing) stream.write("\n");
      standing = false;
      last = Number.NEGATIVE_INFINITY;
    },
  };
}
