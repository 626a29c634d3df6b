import { fetchBatch } from "./ask.ts";
import { Command, Copy } from "./copy.tsx";
import { count, counted, deadlineWords, shortId } from "./format.ts";
import type { BatchDetail, Faults } from "./overview.ts";
import { Facts, instant, Panel, ReceiptPart, useDetail } from "./panel.tsx";
import { Head, State } from "./tables.tsx";

interface PanelProps {
  readonly apiKey: string;
  readonly apiUrl: string | null;
  readonly id: string;
  readonly nowMs: number;
  readonly emulated: boolean;
  readonly showJobs: (id: string) => void;
  readonly close: () => void;
  readonly refused: () => void;
}

/** One batch: how it stands, what was wrong with its input, line by line, and what it cost. */
export function BatchPanel({ apiKey, apiUrl, id, nowMs, emulated, showJobs, close, refused }: PanelProps) {
  const { detail: batch, trouble } = useDetail(fetchBatch, { apiKey, id, refused });
  return (
    <Panel kind="Batch" id={id} emulated={batch?.receipt?.emulated ?? emulated} close={close}>
      {trouble === null ? null : (
        <p className="alarm" role="alert">
          {trouble}
        </p>
      )}
      {batch === null ? (
        <p className="quiet">{trouble === null ? "Looking…" : ""}</p>
      ) : (
        <>
          <BatchFacts batch={batch} nowMs={nowMs} />
          {batch.faults === null ? (
            <p>
              <button type="button" className="primary" onClick={() => showJobs(id)}>
                Show its {counted(batch.total, "job")}
              </button>
            </p>
          ) : (
            <FaultsPart faults={batch.faults} />
          )}
          <ReceiptPart receipt={batch.receipt} ended={batch.endedAtMs !== null} />
          {batch.state === "completed" ? <Command text={`npx slowboat results ${id}`} what="the command" /> : null}
          {batch.faults === null || apiUrl === null ? null : (
            <Command text={`curl ${apiUrl}/v1/batches/${id} \\\n  -H "authorization: Bearer $SLOWBOAT_API_KEY"`} what="the curl" />
          )}
        </>
      )}
    </Panel>
  );
}

const File = ({ id }: { id: string }) => (
  <span className="open-id">
    <span className="id" title={id}>
      {shortId(id)}
    </span>
    <Copy text={id} what={id} />
  </span>
);

function BatchFacts({ batch, nowMs }: { batch: BatchDetail; nowMs: number }) {
  const deadline = deadlineWords(batch, nowMs);
  const file = (id: string | null) => (id === null ? null : <File id={id} />);
  return (
    <Facts
      facts={[
        ["state", <State key="state" state={batch.state} />],
        ["endpoint", batch.endpoint],
        ["model", batch.model],
        ["window", batch.completionWindow],
        ["created", instant(batch.createdAtMs, nowMs)],
        ["deadline", instant(batch.deadlineAtMs, nowMs)],
        [
          "outcome",
          batch.deadlineAtMs === null ? null : (
            <span key="outcome" className={deadline.tone === "bad" ? "bad" : ""}>
              {deadline.text}
            </span>
          ),
        ],
        ["ended", instant(batch.endedAtMs, nowMs)],
        ["input", file(batch.inputFileId)],
        ["output", file(batch.outputFileId)],
        ["errors", file(batch.errorFileId)],
      ]}
    />
  );
}

function FaultsPart({ faults }: { faults: Faults }) {
  return (
    <section aria-labelledby="faults-title">
      <h3 id="faults-title">Why it was refused</h3>
      <p>
        {counted(faults.count, "thing is", "things are")} wrong with its input, so none of it was accepted and nothing was charged. Mend and send it
        again.
      </p>
      <table className="cards faults">
        <Head columns={["#line", "code", "message"]} />
        <tbody>
          {faults.first.map((fault, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line may have the same fault twice, and the list never changes.
            <tr key={place}>
              <th scope="row" className="number" data-label="line">
                {fault.line === null ? "all" : count(fault.line)}
              </th>
              <td data-label="code">
                <code>{fault.code}</code>
              </td>
              <td data-label="message" className="reason">
                {fault.message}
                {fault.param === null ? null : <span className="quiet"> ({fault.param})</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {faults.count > faults.first.length ? (
        <p className="quiet">
          The first {count(faults.first.length)} of {count(faults.count)} are listed; the batch's <code>errors</code> hold them all.
        </p>
      ) : null}
    </section>
  );
}
