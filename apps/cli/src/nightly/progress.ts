import { type LaneId, laneClass } from "@slowboat/contract";
import type { ReceiptFacts } from "@slowboat/store";
import { fixedUsd, ledgerWaterfall, poolPaid } from "./receipt.ts";

/** What the lines show at one instant; instants are job time. */
export interface ProgressView {
  readonly phase: string;
  readonly facts: ReceiptFacts;
  /** Jobs that will be there when every batch is read; the rows may be fewer yet. */
  readonly total: number;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly deadlineAtMs: number | null;
  /** `null` where nothing is rewritten and a line may be as long as it is. */
  readonly columns: number | null;
}

const BAR_CELLS = 6;

/**
 * Two lines of at most 80 columns for a night of hundreds: a bar, done of total, job time, ETA against the deadline,
 * phase; then money and lanes. Cut to the terminal's width; one line where there is none.
 */
export function progressLines(view: ProgressView): string[] {
  const done = doneOf(view.facts);
  const cells = view.total === 0 ? 0 : Math.min(BAR_CELLS, Math.floor((done / view.total) * BAR_CELLS));
  const { listNano, paidNano } = ledgerWaterfall(view.facts.accounts);
  const pool = poolPaid(view.facts.accounts);
  const money = [`paid $${short(paidNano - pool)}`, ...(pool === 0n ? [] : [`pool $${short(pool)}`]), `saved $${short(listNano - paidNano)}`].join(
    " ",
  );
  const lines = [
    [
      `▕${"█".repeat(cells)}${" ".repeat(BAR_CELLS - cells)}▏ ${done}/${view.total} ${instant(view.nowMs)}`,
      eta(view, done),
      view.phase,
      view.facts.emulated ? "emulated" : "",
    ],
    [money, laneMix(view.facts)],
  ].map((parts) => parts.filter((part) => part !== "").join(" · "));
  const { columns } = view;
  return columns === null ? [lines.join(" · ")] : lines.map((line) => cut(line, columns - 1));
}

const cut = (text: string, columns: number): string =>
  [...text].length <= columns ? text : `${[...text].slice(0, Math.max(0, columns - 1)).join("")}…`;

/** Jobs at their end, whatever the end. */
export const doneOf = (facts: ReceiptFacts): number =>
  facts.jobs.reduce((sum, row) => sum + (["completed", "failed", "cancelled"].includes(row.state) ? row.jobs : 0), 0);

/** Jobs by kind of lane, the most first. */
function laneMix(facts: ReceiptFacts): string {
  const kinds = new Map<string, number>();
  for (const { lane, jobs } of facts.jobs) if (lane !== null) kinds.set(kindOfLane(lane), (kinds.get(kindOfLane(lane)) ?? 0) + jobs);
  return [...kinds]
    .sort((a, b) => b[1] - a[1])
    .map(([kind, jobs]) => `${kind} ${jobs}`)
    .join(" ");
}

const kindOfLane = (lane: string): string => {
  const kind = laneClass(lane as LaneId);
  return kind === "realtime" ? "real-time" : kind;
};

/**
 * A range: from the pace so far, the rest may go a third faster or half again as slow. What waits on a slow lane is rescued at the
 * latest at a known instant, early enough for the deadline: the later end is that instant, and never past a deadline that can be made.
 */
function eta(view: ProgressView, done: number): string {
  const { deadlineAtMs, nowMs, total } = view;
  const { lastRescueAtMs, lastEndedAtMs } = view.facts;
  const late = deadlineAtMs !== null && nowMs > deadlineAtMs;
  const due = (besideMs: number): string =>
    deadlineAtMs === null ? "" : ` due ${instant(deadlineAtMs, besideMs)}${late && done < total ? ", missed" : ""}`;
  if (done >= total && total > 0) return `last answer ${instant(lastEndedAtMs ?? nowMs, nowMs)}${due(lastEndedAtMs ?? nowMs)}`;
  const passedMs = nowMs - view.startedAtMs;
  const bound = late || deadlineAtMs === null ? Number.POSITIVE_INFINITY : deadlineAtMs;
  if (done === 0 || passedMs <= 0) return Number.isFinite(bound) ? `ETA by ${instant(bound, nowMs)}` : `ETA unknown${due(nowMs)}`;
  const restMs = (passedMs / done) * (total - done);
  const from = Math.min(bound, nowMs + restMs * 0.67);
  const to = Math.min(bound, Math.max(nowMs + restMs * 1.5, lastRescueAtMs ?? 0));
  return `ETA ${from >= bound ? "by " : `${instant(from, nowMs)}–`}${instant(to, from >= bound ? nowMs : from)}${due(to)}`;
}

/** An instant on this machine's wall, with its weekday where that is another than that of `besideMs`. */
export function instant(ms: number, besideMs = ms): string {
  const at = new Date(ms);
  const text = `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
  return at.toDateString() === new Date(besideMs).toDateString() ? text : `${at.toDateString().slice(0, 3)} ${text}`;
}

/** Three decimals are enough for a line that changes every second; the receipt has them all. */
const short = (amount: bigint): string => fixedUsd(amount, 3);

/** Where progress goes: lines that are rewritten in a terminal, else written now and then. */
export interface ProgressOut {
  show(lines: readonly string[]): void;
  /** Leaves the last lines standing. */
  end(): void;
}

/** `everyMs`: how often lines are written where nothing can be rewritten. */
export function progressOut(stream: NodeJS.WriteStream, everyMs: number, nowMs: () => number): ProgressOut {
  let last = Number.NEGATIVE_INFINITY;
  let standing = 0;
  let shown: readonly string[] = [];
  let written: readonly string[] = [];
  const write = (lines: readonly string[]): void => {
    last = nowMs();
    written = lines;
    for (const line of lines) stream.write(`${line}\n`);
  };
  return {
    show: (lines) => {
      shown = lines;
      if (stream.isTTY) {
        const back = standing > 1 ? `\u001b[${standing - 1}A` : "";
        stream.write(`${standing === 0 ? "" : `\r${back}\u001b[J`}${lines.join("\n")}`);
        standing = lines.length;
      } else if (nowMs() - last >= everyMs) write(lines);
    },
    end: () => {
      if (standing > 0) stream.write("\n");
      else if (shown !== written) write(shown); // the end is told although it comes between two times to write
      standing = 0;
      last = Number.NEGATIVE_INFINITY;
    },
  };
}
