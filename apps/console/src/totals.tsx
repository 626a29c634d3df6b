import type { ReactNode } from "react";
import { count, counted, decimalsOf, exact, length, percent, usd } from "./format.ts";
import type { Overview, WindowKey } from "./overview.ts";

const WINDOWS: readonly { readonly key: WindowKey; readonly label: string; readonly words: string }[] = [
  { key: "24h", label: "24 h", words: "the last 24 hours of job time" },
  { key: "7d", label: "7 days", words: "the last 7 days of job time" },
  { key: "all", label: "All", words: "all time" },
];

/** A window as a sentence names it. */
export const windowWords = (key: WindowKey): string => WINDOWS.find((one) => one.key === key)?.words ?? key;

/** Chooses what the totals are of, and says it in words. */
export function WindowSwitch({ overview, wish, choose }: { overview: Overview; wish: string | null; choose: (key: WindowKey) => void }) {
  const { window: shown, newest_at_ms: newestAtMs } = overview;
  const widened = !shown.chosen && shown.key !== "24h" && newestAtMs !== null;
  return (
    <div className="row window">
      <p id="window-words">
        Totals of <strong>{windowWords(shown.key)}</strong>
        <span className="quiet">
          {shown.key === "all" ? "" : `, since ${exact(shown.since_ms)}`}
          {widened ? " · nothing newer to show" : ""}
        </span>
      </p>
      <fieldset className="switch">
        <legend className="hidden">Window of the totals, in job time</legend>
        {WINDOWS.map(({ key, label }) => (
          <label key={key}>
            <input type="radio" name="window" value={key} checked={(wish ?? shown.key) === key} onChange={() => choose(key)} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
    </div>
  );
}

/** What is not as it should be stands first; "none missed" only where no job and no batch was late. */
function DeadlineNote({ deadlines: d }: { deadlines: Overview["deadlines"] }) {
  const unanswered = d.with_deadline - d.met - d.missed - d.running;
  const late = [
    ...(d.missed > 0 ? [`${count(d.missed)} missed`] : []),
    ...(d.late_batches > 0 ? [`${counted(d.late_batches, "batch", "batches")} late`] : []),
  ];
  const others = [
    ...(late.length === 0 && d.met > 0 ? ["none missed"] : []),
    ...(d.running > 0 ? [`${count(d.running)} running${d.soon > 0 ? `, ${count(d.soon)} of them close` : ""}`] : []),
    ...(unanswered > 0 ? [`${count(unanswered)} without an answer`] : []),
  ];
  if (late.length + others.length === 0) return "no job has one";
  return (
    <>
      {late.length === 0 ? null : <strong className="bad">{late.join(" · ")}</strong>}
      {late.length > 0 && others.length > 0 ? " · " : ""}
      {others.join(" · ")}
    </>
  );
}

/** The figures that matter first. All money has one number of decimals. */
export function Tiles({ overview }: { overview: Overview }) {
  const list = BigInt(overview.receipt.list_nano_usd);
  const paid = BigInt(overview.receipt.paid_nano_usd);
  const decimals = decimalsOf([list, paid]);
  const live = overview.lanes.reduce((sum, lane) => sum + lane.live, 0);
  const oldest = overview.lanes.flatMap((lane) => (lane.oldestAtMs === null ? [] : [lane.oldestAtMs]));
  const money = overview.emulated ? "emulated: no money is spent" : "owed to providers";
  const tiles: { name: string; value: string; note: ReactNode; tone?: string }[] = [
    {
      name: "Saved",
      value: usd(list - paid, decimals),
      note: list === 0n ? "nothing priced yet" : `${percent(list - paid, list)} of the list price`,
      tone: "hero",
    },
    { name: "Paid", value: usd(paid, decimals), note: money },
    { name: "List price", value: usd(list, decimals), note: "same models, real time" },
    { name: "Deadlines met", value: count(overview.deadlines.met), note: <DeadlineNote deadlines={overview.deadlines} /> },
    {
      name: "In flight",
      value: count(live),
      note: oldest.length === 0 ? "nothing waits" : `the oldest for ${length(overview.now_ms - Math.min(...oldest))}`,
    },
  ];
  return (
    <dl className="tiles">
      {tiles.map(({ name, value, note, tone = "" }) => (
        <div key={name} className={tone}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd className="note">{note}</dd>
        </div>
      ))}
    </dl>
  );
}
