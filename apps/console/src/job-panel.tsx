import { useState } from "react";
import { fetchJob } from "./ask.ts";
import { Command, Copy } from "./copy.tsx";
import { Decisions, lastPlaced, type Shown } from "./decisions.tsx";
import { count, deadlineWords, exact, length, shortId, words } from "./format.ts";
import { JobTimeline } from "./job-timeline.tsx";
import type { Attempt, JobDetail } from "./overview.ts";
import { Facts, instant, Panel, ReceiptPart, useDetail } from "./panel.tsx";
import { Head, State } from "./tables.tsx";

interface PanelProps {
  readonly apiKey: string;
  readonly apiUrl: string | null;
  readonly id: string;
  readonly nowMs: number;
  readonly emulated: boolean;
  readonly open: (id: string) => void;
  readonly close: () => void;
  readonly refused: () => void;
}

/** Everything about one job but its request and its answer: what became of it, why it ran where it ran, and what it cost. */
export function JobPanel({ apiKey, apiUrl, id, nowMs, emulated, open, close, refused }: PanelProps) {
  const { detail: job, trouble } = useDetail(fetchJob, { apiKey, id, refused });
  const [shown, show] = useState<Shown | null>(null);
  const curl = `curl ${apiUrl ?? "http://127.0.0.1:8787"}/v1/jobs/${id} \\\n  -H "authorization: Bearer $SLOWBOAT_API_KEY"`;
  return (
    <Panel kind="Job" id={id} emulated={job?.receipt?.emulated ?? job?.attempts.at(-1)?.emulated ?? emulated} close={close}>
      {trouble === null ? null : (
        <p className="alarm" role="alert">
          {trouble}
        </p>
      )}
      {job === null ? (
        <p className="quiet">{trouble === null ? "Looking…" : ""}</p>
      ) : (
        <>
          <JobFacts job={job} nowMs={nowMs} open={open} />
          <JobTimeline job={job} nowMs={nowMs} show={(index) => show({ index })} />
          <Decisions decisions={job.decisions} nowMs={nowMs} shown={shown} />
          <Attempts attempts={job.attempts} />
          <ReceiptPart receipt={job.receipt} ended={job.endedAtMs !== null} />
          <section aria-labelledby="answer-title">
            <h3 id="answer-title">Answer</h3>
            <p className="quiet">Requests and answers are not shown here. With your key:</p>
            <Command text={curl} what="the curl" />
          </section>
        </>
      )}
    </Panel>
  );
}

function JobFacts({ job, nowMs, open }: { job: JobDetail; nowMs: number; open: (id: string) => void }) {
  const { batchId } = job;
  const deadline = deadlineWords(job, nowMs);
  return (
    <>
      {job.error === null ? null : (
        <p className="alarm" role="note">
          <code>{job.error.code ?? "failed"}</code> {job.error.message ?? ""}
        </p>
      )}
      {job.waiting === null ? null : (
        <p className="aside" role="note">
          <strong>waits</strong> {job.waiting}
          {job.nextDecisionAtMs === null ? "" : `; the scheduler looks again at ${exact(job.nextDecisionAtMs)} at the latest`}
        </p>
      )}
      <Facts
        facts={[
          ["state", <State key="state" state={job.state} />],
          ["lane", job.lane ?? "none yet"],
          ["model", job.model],
          ["stands in", lastPlaced(job.decisions)?.fallback?.name ?? null],
          ["compared with", job.baselineModel === job.model ? null : job.baselineModel],
          ["endpoint", job.endpoint],
          ["custom id", job.customId],
          [
            "batch",
            batchId === null ? null : (
              <span className="open-id" key="batch">
                <button type="button" className="link id" title={batchId} onClick={() => open(batchId)}>
                  {shortId(batchId)}
                </button>
                <Copy text={batchId} what={batchId} />
                {job.lineNo === null ? "" : <span className="quiet"> line {count(job.lineNo)}</span>}
              </span>
            ),
          ],
          ["accepted", instant(job.acceptedAtMs, nowMs)],
          ["deadline", instant(job.deadlineAtMs, nowMs) ?? "none"],
          [
            "outcome",
            job.deadlineAtMs === null ? null : (
              <span key="outcome" className={deadline.tone === "bad" ? "bad" : ""}>
                {deadline.text}
              </span>
            ),
          ],
          ["ended", instant(job.endedAtMs, nowMs)],
        ]}
      />
    </>
  );
}

const statusWords = (attempt: Attempt): string =>
  [attempt.statusCode === null ? "" : String(attempt.statusCode), attempt.errorCode === null ? "" : words(attempt.errorCode)].join(" ").trim() ||
  "none yet";

function tokens({ usage }: Attempt) {
  if (usage === null) return <span className="quiet">none</span>;
  const prompt = Object.entries(usage).reduce((sum, [name, tokens]) => (name === "output" || name === "reasoning" ? sum : sum + tokens), 0);
  return `${count(prompt)} in, ${count(usage.output)} out`;
}

function Attempts({ attempts }: { attempts: readonly Attempt[] }) {
  return (
    <section aria-labelledby="attempts-title">
      <h3 id="attempts-title">Attempts</h3>
      {attempts.length === 0 ? (
        <p className="quiet">None yet.</p>
      ) : (
        <table className="cards short">
          <Head columns={["attempt", "lane", "state", "answer", "#took", "#tokens"]} />
          <tbody>
            {attempts.map((attempt) => (
              <tr key={attempt.id}>
                <th scope="row">
                  <span className="open-id">
                    {attempt.seq}, {attempt.role}
                    <Copy text={attempt.id} what={attempt.id} />
                  </span>
                </th>
                <td data-label="lane">
                  {attempt.lane}
                  {attempt.model === null ? null : <span className="quiet"> {attempt.model}</span>}
                </td>
                <td data-label="state">
                  <State state={attempt.state} />
                </td>
                <td data-label="answer">{statusWords(attempt)}</td>
                <td className="number" data-label="took" title={exact(attempt.createdAtMs)}>
                  {attempt.answeredAtMs === null ? <span className="quiet">running</span> : length(attempt.answeredAtMs - attempt.createdAtMs)}
                </td>
                <td className="number" data-label="tokens">
                  {tokens(attempt)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
