import { exact, length, relative, usd } from "./format.ts";
import type { Batch, Job, Overview } from "./overview.ts";

export function Lanes({ overview, choose }: { overview: Overview; choose: (lane: string) => void }) {
  const paid = new Map(overview.paid_by_lane.map((row) => [row.lane, BigInt(row.nano_usd)]));
  return (
    <section aria-labelledby="lanes-title">
      <h2 id="lanes-title">Lanes</h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">lane</th>
              <th scope="col">live</th>
              <th scope="col">completed</th>
              <th scope="col">failed</th>
              <th scope="col">oldest waiting</th>
              <th scope="col">paid</th>
            </tr>
          </thead>
          <tbody>
            {overview.lanes.map((lane) => (
              <tr key={lane.lane}>
                <th scope="row">
                  <button type="button" className="link" onClick={() => choose(lane.lane)}>
                    {lane.lane}
                  </button>
                </th>
                <td className="number">{lane.live}</td>
                <td className="number">{lane.completed}</td>
                <td className="number">{lane.failed}</td>
                <td>{lane.oldestAtMs === null ? "none" : length(overview.now_ms - lane.oldestAtMs)}</td>
                <td className="number">{usd(paid.get(lane.lane) ?? 0n)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function deadlineWords(item: { state: string; deadlineAtMs: number | null; endedAtMs: number | null }, nowMs: number): string {
  if (item.deadlineAtMs === null) return "none";
  if (item.state === "failed" || item.state === "cancelled") return `${item.state}, without an answer`;
  if (item.endedAtMs !== null)
    return item.endedAtMs <= item.deadlineAtMs
      ? `met, ${length(item.deadlineAtMs - item.endedAtMs)} to spare`
      : `missed by ${length(item.endedAtMs - item.deadlineAtMs)}`;
  return item.deadlineAtMs >= nowMs ? relative(item.deadlineAtMs, nowMs) : `late by ${length(nowMs - item.deadlineAtMs)}`;
}

function BatchRow({ batch, nowMs }: { batch: Batch; nowMs: number }) {
  const share = (count: number): string => `${batch.total === 0 ? 0 : (count / batch.total) * 100}%`;
  return (
    <tr>
      <th scope="row" className="id" title={batch.id}>
        {batch.id.slice(0, 12)}…{batch.id.slice(-4)}
      </th>
      <td>{batch.endpoint}</td>
      <td>{batch.model ?? "several"}</td>
      <td>{batch.state.replace("_", " ")}</td>
      <td>
        <span className="stack" aria-hidden="true">
          <span className="done" style={{ width: share(batch.completed) }} />
          <span className="bad" style={{ width: share(batch.failed) }} />
        </span>{" "}
        {batch.completed} of {batch.total}
        {batch.failed > 0 ? `, ${batch.failed} failed` : ""}
      </td>
      <td title={batch.deadlineAtMs === null ? "" : exact(batch.deadlineAtMs)}>{deadlineWords(batch, nowMs)}</td>
    </tr>
  );
}

export function Batches({ overview }: { overview: Overview }) {
  if (overview.batches.length === 0) return null;
  return (
    <section aria-labelledby="batches-title">
      <h2 id="batches-title">Batches</h2>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              {["batch", "endpoint", "model", "state", "progress", "deadline"].map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {overview.batches.map((batch) => (
              <BatchRow key={batch.id} batch={batch} nowMs={overview.now_ms} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function JobRow({ job, nowMs }: { job: Job; nowMs: number }) {
  return (
    <tr>
      <th scope="row">
        <button type="button" className="link id" title="copy the id" onClick={() => void navigator.clipboard?.writeText(job.id)}>
          {job.id.slice(0, 10)}…{job.id.slice(-6)}
        </button>
      </th>
      <td>{job.state}</td>
      <td>{job.lane ?? "none yet"}</td>
      <td>{job.model}</td>
      <td>{job.customId ?? ""}</td>
      <td title={exact(job.acceptedAtMs)}>{relative(job.acceptedAtMs, nowMs)}</td>
      <td title={job.deadlineAtMs === null ? "" : exact(job.deadlineAtMs)}>{deadlineWords(job, nowMs)}</td>
    </tr>
  );
}

export function Jobs({
  overview,
  filters,
  setFilter,
}: {
  overview: Overview;
  filters: URLSearchParams;
  setFilter: (name: string, value: string) => void;
}) {
  return (
    <section aria-labelledby="jobs-title">
      <header className="row">
        <h2 id="jobs-title">Jobs</h2>
        <label>
          state{" "}
          <select value={filters.get("state") ?? ""} onChange={(event) => setFilter("state", event.target.value)}>
            <option value="">all</option>
            {["accepted", "placed", "completed", "failed", "cancelled"].map((state) => (
              <option key={state}>{state}</option>
            ))}
          </select>
        </label>
        <label>
          lane{" "}
          <select value={filters.get("lane") ?? ""} onChange={(event) => setFilter("lane", event.target.value)}>
            <option value="">all</option>
            {overview.lanes.map((lane) => (
              <option key={lane.lane}>{lane.lane}</option>
            ))}
          </select>
        </label>
      </header>
      {overview.jobs.length === 0 ? <p className="quiet">No job fits these filters.</p> : null}
      <div className="scroll">
        <table>
          <thead>
            <tr>
              {["job", "state", "lane", "model", "custom id", "accepted", "deadline"].map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {overview.jobs.map((job) => (
              <JobRow key={job.id} job={job} nowMs={overview.now_ms} />
            ))}
          </tbody>
        </table>
      </div>
      {overview.jobs.length >= overview.rows ? <p className="quiet">The newest {overview.rows} are shown.</p> : null}
    </section>
  );
}
