import { exact, length } from "./format.ts";
import type { Decision, JobDetail } from "./overview.ts";

const ROW = 24;
const WIDTH = 600;
/** Decisions nearer to each other than this share of the line are one mark: beside each other they could not be told apart, or hit. */
const APART = 0.1;

/** States of an attempt that may still bring an answer. */
const OPEN = ["intent", "sending", "placed"];

interface Span {
  readonly key: string;
  readonly name: string;
  readonly kind: "waits" | "answered" | "lost" | "runs";
  readonly fromMs: number;
  readonly toMs: number;
}

/** What the job did when: its wait for a lane, then each attempt until its answer, its end or now. */
function spans(job: JobDetail, nowMs: number): Span[] {
  const endMs = job.endedAtMs ?? nowMs;
  const [first] = job.attempts;
  const waitsUntilMs = first?.createdAtMs ?? endMs;
  const waits: Span = { key: "waits", name: "waits", kind: "waits", fromMs: job.acceptedAtMs, toMs: waitsUntilMs };
  return [
    waits,
    ...job.attempts.map(({ id, seq, lane, role, createdAtMs, answeredAtMs, state }, at): Span => {
      // A hedge runs beside the attempt before it.
      const open = answeredAtMs === null && job.endedAtMs === null && OPEN.includes(state);
      const nextMs = open ? nowMs : (job.attempts[at + 1]?.createdAtMs ?? endMs);
      return {
        key: id,
        name: `${seq}, ${role} on ${lane}`,
        kind: answeredAtMs !== null && state !== "void" ? "answered" : open ? "runs" : "lost",
        fromMs: createdAtMs,
        toMs: answeredAtMs ?? nextMs,
      };
    }),
  ];
}

/** Instants that stand as lines in every row. */
function marksOf(job: JobDetail, rows: readonly Span[]): { readonly name: string; readonly kind: string; readonly atMs: number }[] {
  const latestStartAtMs = job.decisions.findLast((one) => one.latestStartAtMs !== null)?.latestStartAtMs ?? null;
  const answers = rows.flatMap((row) => (row.kind === "answered" ? [row.toMs] : []));
  return [
    { name: "latest start of a rescue", kind: "rescue", atMs: latestStartAtMs },
    { name: "answer", kind: "answer", atMs: answers.length === 0 ? null : Math.min(...answers) },
    { name: "deadline", kind: "deadline", atMs: job.deadlineAtMs },
  ].flatMap(({ atMs, ...mark }) => (atMs === null || atMs < job.acceptedAtMs ? [] : [{ ...mark, atMs }]));
}

/** Decisions that lie beside each other on the line, as places in the list. */
interface Cluster {
  readonly first: number;
  readonly last: number;
  /** Where the first of them lies, 0..1. */
  readonly at: number;
}

function clusters(decisions: readonly Decision[], place: (atMs: number) => number): Cluster[] {
  const out: Cluster[] = [];
  for (const [index, { decidedAtMs }] of decisions.entries()) {
    const at = Math.min(1, Math.max(0, place(decidedAtMs)));
    const before = out.at(-1);
    if (before !== undefined && at - before.at < APART) out[out.length - 1] = { ...before, last: index };
    else out.push({ first: index, last: index, at });
  }
  return out;
}

/** The job's time from its arrival to its deadline or end: its decisions as marks that open them, its attempts as bars, and the instants that bound both. */
export function JobTimeline({ job, nowMs, show }: { job: JobDetail; nowMs: number; show: (decision: number) => void }) {
  const rows = spans(job, nowMs);
  const marks = marksOf(job, rows);
  const fromMs = job.acceptedAtMs;
  const toMs = Math.max(fromMs + 1, ...rows.map((row) => row.toMs), ...marks.map((mark) => mark.atMs));
  const place = (atMs: number): number => (atMs - fromMs) / (toMs - fromMs);
  const x = (atMs: number): number => place(atMs) * WIDTH;
  return (
    <section aria-labelledby="timeline-title">
      <h3 id="timeline-title">Time</h3>
      <table className="figures bars timeline">
        <caption className="quiet">
          from its arrival at {exact(fromMs)} to {exact(toMs)}
          {marks.map(({ name, kind, atMs }) => (
            <span key={name}>
              ; <i className={`mark ${kind}`} aria-hidden="true" /> {name} {exact(atMs)}
            </span>
          ))}
        </caption>
        <thead className="hidden">
          <tr>
            <th scope="col">what</th>
            <th scope="col">how long</th>
            <th scope="col">when</th>
          </tr>
        </thead>
        <tbody>
          {job.decisions.length === 0 ? null : (
            <tr>
              <th scope="row">decided</th>
              <td className="number">{job.decisions.length === 1 ? "once" : `${job.decisions.length} times`}</td>
              <td className="bar decided">
                <div>
                  {clusters(job.decisions, place).map((cluster) => (
                    <Mark key={cluster.first} cluster={cluster} decisions={job.decisions} show={show} />
                  ))}
                </div>
              </td>
            </tr>
          )}
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">{row.name}</th>
              <td className="number" title={`${exact(row.fromMs)} to ${exact(row.toMs)}`}>
                {length(row.toMs - row.fromMs)}
              </td>
              <td className="bar">
                <svg viewBox={`0 0 ${WIDTH} ${ROW}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
                  <rect className={row.kind} x={x(row.fromMs)} y="5" width={Math.max(2, x(row.toMs) - x(row.fromMs))} height={ROW - 10} />
                  {marks.map(({ kind, atMs }) => (
                    <line key={kind} className={kind} x1={x(atMs)} x2={x(atMs)} y1="0" y2={ROW} />
                  ))}
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** One decision or several beside each other; opens the first of them in the list below. */
function Mark({
  cluster: { first, last, at },
  decisions,
  show,
}: {
  cluster: Cluster;
  decisions: readonly Decision[];
  show: (index: number) => void;
}) {
  const said = decisions.slice(first, last + 1).map((one, place) => `${first + place + 1}. ${one.did}, ${exact(one.decidedAtMs)}`);
  return (
    <button
      type="button"
      className="at"
      style={{ left: `clamp(14px, ${at * 100}%, 100% - 14px)` }}
      title={said.join("\n")}
      aria-label={`show ${said.join("; ")}`}
      onClick={() => show(first)}
    >
      {first === last ? first + 1 : `${first + 1}–${last + 1}`}
    </button>
  );
}
