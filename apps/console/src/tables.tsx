import type { MouseEvent } from "react";
import { Copy } from "./copy.tsx";
import { count, counted, deadlineWords, decimalsOf, exact, length, relative, shortId, usd, words } from "./format.ts";
import type { Batch, Job, Overview } from "./overview.ts";

/** Column names; those with a `#` in front stand over figures, on the right. */
export const Head = ({ columns }: { columns: readonly string[] }) => (
  <thead>
    <tr>
      {columns.map((name) => (
        <th scope="col" key={name} className={name.startsWith("#") ? "number" : ""}>
          {name.replace("#", "")}
        </th>
      ))}
    </tr>
  </thead>
);

/** A state as a word with a colour. */
export const State = ({ state }: { state: string }) => <span className={`state ${state}`}>{words(state)}</span>;

/** An id that opens its panel, and can be copied. */
const OpenId = ({ id, open }: { id: string; open: (id: string) => void }) => (
  <span className="open-id">
    <button type="button" className="link id" title={id} aria-haspopup="dialog" onClick={() => open(id)}>
      {shortId(id)}
    </button>
    <Copy text={id} what={id} />
  </span>
);

/** Opens a panel by a click anywhere in a row, but on its buttons or to select text; by the keyboard the id does so. */
const rowClick =
  (open: () => void) =>
  (event: MouseEvent<HTMLElement>): void => {
    if (event.target instanceof Element && event.target.closest("button") === null && getSelection()?.isCollapsed !== false) open();
  };

export function Lanes({ overview, chosen, choose }: { overview: Overview; chosen: string; choose: (lane: string) => void }) {
  const paid = new Map(overview.paid_by_lane.map((row) => [row.lane, BigInt(row.nano_usd)]));
  const decimals = decimalsOf([...paid.values()]);
  return (
    <section aria-labelledby="lanes-title">
      <h2 id="lanes-title">Lanes</h2>
      <table className="cards short">
        <Head columns={["lane", "#live", "#completed", "#failed", "#oldest waiting", "#paid"]} />
        <tbody>
          {overview.lanes.map((lane) => (
            <tr key={lane.lane}>
              <th scope="row">
                <button
                  type="button"
                  className="link"
                  aria-pressed={lane.lane === chosen}
                  title="show its jobs"
                  onClick={() => choose(lane.lane === chosen ? "" : lane.lane)}
                >
                  {lane.lane}
                </button>
              </th>
              <td className="number" data-label="live">
                {count(lane.live)}
              </td>
              <td className="number" data-label="completed">
                {count(lane.completed)}
              </td>
              <td className={`number ${lane.failed > 0 ? "bad" : ""}`} data-label="failed">
                {count(lane.failed)}
              </td>
              <td className="number" data-label="oldest waiting">
                {lane.oldestAtMs === null ? <span className="quiet">none</span> : length(overview.now_ms - lane.oldestAtMs)}
              </td>
              <td className="number" data-label="paid">
                {usd(paid.get(lane.lane) ?? 0n, decimals)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const Deadline = ({ item, nowMs }: { item: Batch | Job; nowMs: number }) => {
  const { text, tone } = deadlineWords(item, nowMs);
  return (
    <td
      data-label="deadline"
      className={tone === "bad" ? "bad" : tone === "good" ? "" : "quiet"}
      title={item.deadlineAtMs === null ? "" : exact(item.deadlineAtMs)}
    >
      {text}
    </td>
  );
};

function Progress({ batch }: { batch: Batch }) {
  const [first] = batch.faults?.first ?? [];
  if (batch.faults !== null && first !== undefined) {
    const where = first.line === null ? "" : `line ${first.line}: `;
    const more = batch.faults.count > 1 ? ` (and ${count(batch.faults.count - 1)} more)` : "";
    return (
      <td data-label="why" className="bad reason" title={first.message}>
        refused, {where}
        {words(first.code)}
        {more}
      </td>
    );
  }
  const share = (part: number): string => `${batch.total === 0 ? 0 : (part / batch.total) * 100}%`;
  return (
    <td data-label="progress">
      <span className="stack" aria-hidden="true">
        <span className="done" style={{ width: share(batch.completed) }} />
        <span className="wrong" style={{ width: share(batch.failed) }} />
      </span>
      {count(batch.completed)} of {count(batch.total)}
      {batch.failed > 0 ? <span className="bad">, {count(batch.failed)} failed</span> : ""}
    </td>
  );
}

export function Batches({ overview, open }: { overview: Overview; open: (id: string) => void }) {
  if (overview.batches.length === 0) return null;
  return (
    <section aria-labelledby="batches-title">
      <h2 id="batches-title">Batches</h2>
      <table className="cards rows">
        <Head columns={["batch", "state", "progress", "deadline", "model", "endpoint"]} />
        <tbody>
          {overview.batches.map((batch) => (
            <tr key={batch.id} onClick={rowClick(() => open(batch.id))}>
              <th scope="row">
                <OpenId id={batch.id} open={open} />
              </th>
              <td className="standing">
                <State state={batch.state} />
              </td>
              <Progress batch={batch} />
              <Deadline item={batch} nowMs={overview.now_ms} />
              <td data-label="model">{batch.model ?? <span className="quiet">{batch.state === "failed" ? "none" : "several"}</span>}</td>
              <td data-label="endpoint" className="quiet">
                {batch.endpoint}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function paidWords(job: Job, decimals: number) {
  if (job.paid_nano_usd !== null) return usd(BigInt(job.paid_nano_usd), decimals);
  return <span className="quiet">{job.unpriced ? "no price" : job.endedAtMs === null ? "not yet" : "none"}</span>;
}

function JobRows({ overview, open }: { overview: Overview; open: (id: string) => void }) {
  const decimals = decimalsOf(overview.jobs.flatMap((job) => (job.paid_nano_usd === null ? [] : [BigInt(job.paid_nano_usd)])));
  const named = overview.jobs.some((job) => job.customId !== null);
  return (
    <table className="cards rows">
      <Head columns={["job", "state", "lane", "model", ...(named ? ["custom id"] : []), "accepted", "deadline", "#paid"]} />
      <tbody>
        {overview.jobs.map((job) => (
          <tr key={job.id} onClick={rowClick(() => open(job.id))}>
            <th scope="row">
              <OpenId id={job.id} open={open} />
            </th>
            <td className="standing">
              <State state={job.state} />
            </td>
            <td data-label="lane">{job.lane ?? <span className="quiet">none yet</span>}</td>
            <td data-label="model">{job.model}</td>
            {named ? (
              <td data-label="custom id" className={job.customId === null ? "custom none" : "custom"} title={job.customId ?? ""}>
                {job.customId ?? ""}
              </td>
            ) : null}
            <td data-label="accepted" className="quiet" title={exact(job.acceptedAtMs)}>
              {relative(job.acceptedAtMs, overview.now_ms)}
            </td>
            <Deadline item={job} nowMs={overview.now_ms} />
            <td data-label="paid" className="number">
              {paidWords(job, decimals)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Jobs({
  overview,
  filters,
  setFilter,
  open,
}: {
  overview: Overview;
  filters: URLSearchParams;
  setFilter: (name: string, value: string) => void;
  open: (id: string) => void;
}) {
  const lanes = overview.lanes.map((lane) => lane.lane);
  const [state, lane, batch] = ["state", "lane", "batch"].map((name) => filters.get(name) ?? "") as [string, string, string];
  const clear = (): void => {
    for (const name of ["state", "lane", "batch"]) setFilter(name, "");
  };
  return (
    <section aria-labelledby="jobs-title">
      <header className="row filters">
        <h2 id="jobs-title">Jobs</h2>
        {batch === "" ? null : (
          <button type="button" title="show the jobs of every batch" onClick={() => setFilter("batch", "")}>
            of {shortId(batch)} <span aria-hidden="true">✕</span>
          </button>
        )}
        <label>
          state{" "}
          <select value={state} onChange={(event) => setFilter("state", event.target.value)}>
            <option value="">all</option>
            {["accepted", "placed", "completed", "failed", "cancelled"].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          lane{" "}
          <select value={lane} onChange={(event) => setFilter("lane", event.target.value)}>
            <option value="">all</option>
            {[...new Set(lane === "" ? lanes : [...lanes, lane])].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </header>
      {overview.jobs.length === 0 ? (
        <p className="quiet none">
          {state + lane + batch === "" ? "No job in this window." : "No job in this window fits these filters. "}
          {state + lane + batch === "" ? null : (
            <button type="button" onClick={clear}>
              clear them
            </button>
          )}
        </p>
      ) : (
        <JobRows overview={overview} open={open} />
      )}
      {overview.jobs.length >= overview.rows ? <p className="quiet none">The newest {counted(overview.rows, "job")} are listed.</p> : null}
    </section>
  );
}
