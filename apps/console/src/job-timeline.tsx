import { exact, length } from "./format.ts";
import type { JobDetail } from "./overview.ts";

const ROW = 24;
const WIDTH = 600;

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

/** The job's time as bars from acceptance to its deadline or end, with the deadline and the instant of rescue as marks. */
export function JobTimeline({ job, nowMs }: { job: JobDetail; nowMs: number }) {
  const rows = spans(job, nowMs);
  const rescueAtMs = job.attempts.at(-1)?.decision?.latestStartAtMs ?? null;
  const marks = [
    { name: "rescue", atMs: rescueAtMs },
    { name: "deadline", atMs: job.deadlineAtMs },
  ].flatMap(({ name, atMs }) => (atMs === null || atMs < job.acceptedAtMs ? [] : [{ name, atMs }]));
  const fromMs = job.acceptedAtMs;
  const toMs = Math.max(fromMs + 1, ...rows.map((row) => row.toMs), ...marks.map((mark) => mark.atMs));
  const x = (atMs: number): number => ((atMs - fromMs) / (toMs - fromMs)) * WIDTH;
  return (
    <section aria-labelledby="timeline-title">
      <h3 id="timeline-title">Time</h3>
      <table className="figures bars timeline">
        <caption className="quiet">
          from {exact(fromMs)} to {exact(toMs)}
          {marks.map(({ name, atMs }) => (
            <span key={name}>
              ; <i className={`mark ${name}`} aria-hidden="true" /> {name} {exact(atMs)}
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
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">{row.name}</th>
              <td className="number" title={`${exact(row.fromMs)} to ${exact(row.toMs)}`}>
                {length(row.toMs - row.fromMs)}
              </td>
              <td className="bar">
                <svg viewBox={`0 0 ${WIDTH} ${ROW}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
                  <rect className={row.kind} x={x(row.fromMs)} y="5" width={Math.max(2, x(row.toMs) - x(row.fromMs))} height={ROW - 10} />
                  {marks.map(({ name, atMs }) => (
                    <line key={name} className={name} x1={x(atMs)} x2={x(atMs)} y1="0" y2={ROW} />
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
