import { useEffect, useRef, useState } from "react";
import { count, counted, decimalsOf, exact, length, usd } from "./format.ts";
import type { Candidate, Decision } from "./overview.ts";
import { Facts, instant } from "./panel.tsx";
import { Head } from "./tables.tsx";

/** A wish to see one decision; a new object is a new wish. */
export interface Shown {
  readonly index: number;
}

/** The decision that last put the job on a lane. */
export const lastPlaced = (decisions: readonly Decision[]): Decision | undefined => decisions.findLast((one) => one.kind === "place");

/** Everything that was decided on a job, in order, each with the lanes it weighed: the last placing is open, or else the last decision. */
export function Decisions({ decisions, nowMs, shown }: { decisions: readonly Decision[]; nowMs: number; shown: Shown | null }) {
  const placing = lastPlaced(decisions);
  const first = placing === undefined ? decisions.length - 1 : decisions.indexOf(placing);
  return (
    <section aria-labelledby="decision-title">
      <h3 id="decision-title">{decisions.length > 1 ? "Decisions" : "Decision"}</h3>
      {decisions.length === 0 ? (
        <p className="quiet">Nothing is decided yet.</p>
      ) : (
        <ol className="decisions">
          {decisions.map((decision, index) => (
            <li key={`${decision.decidedAtMs} ${decision.attempt?.id ?? decision.kind}`}>
              <One decision={decision} index={index} nowMs={nowMs} open={index === first} wish={shown?.index === index ? shown : null} />
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

interface OneProps {
  readonly decision: Decision;
  readonly index: number;
  readonly nowMs: number;
  readonly open: boolean;
  readonly wish: Shown | null;
}

function One({ decision, index, nowMs, open: opened, wish }: OneProps) {
  // As it stood at first: what is decided meanwhile closes nothing under the reader's eyes.
  const [open, setOpen] = useState(opened);
  const summary = useRef<HTMLElement>(null);
  useEffect(() => {
    if (wish === null) return;
    setOpen(true);
    summary.current?.focus();
    summary.current?.scrollIntoView({ block: "center" });
  }, [wish]);
  const { did, role, reason, decidedAtMs, attempt, fallback, inputs, candidates } = decision;
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary ref={summary}>
        <span className="quiet">{index + 1}.</span> <strong>{did}</strong>
        {role === "try" ? "" : ` (${role})`} <span className="quiet">{exact(decidedAtMs)}</span>
      </summary>
      <p>{reason}</p>
      <Facts
        facts={[
          ["decided", instant(decidedAtMs, nowMs)],
          ["attempt", attempt === null ? null : count(attempt.seq)],
          ["rescued at the latest", instant(decision.latestStartAtMs, nowMs)],
          ["looked at again at the latest", instant(decision.untilMs, nowMs)],
          ...(inputs === null ? [] : restedOn(inputs)),
        ]}
      />
      {fallback === undefined ? null : <StandIn fallback={fallback} />}
      {candidates.length === 0 ? <p className="quiet none">No lane was weighed for this.</p> : <Candidates decision={decision} />}
    </details>
  );
}

/** What a decision rested on, beside the prices. */
function restedOn({ slackMs, inputTokens, outputTokens, batchLines, queues, batches }: NonNullable<Decision["inputs"]>) {
  return [
    ["slack", slackMs === null ? "no deadline" : slackMs < 0 ? `none, ${length(slackMs)} late` : length(slackMs)],
    ["tokens, estimated", `${count(inputTokens)} in, ${count(outputTokens)} out`],
    ["in company of", batchLines > 1 ? counted(batchLines, "line") : null],
    ["before it", queues.length === 0 ? null : queues.map(({ lane, queued }) => `${count(queued)} on ${lane}`).join(", ")],
    [
      "how long batches take",
      batches.length === 0
        ? null
        : batches
            .map(({ lane, seen }) => `${lane}: ${seen === 0 ? "as published" : `as ${counted(seen, "batch", "batches")} of yours took`}`)
            .join(", "),
    ],
  ] as const;
}

/** The lanes as they were weighed; a bar is a share of the dearest candidate, or of certainty. */
function Candidates({ decision: { kind, candidates } }: { decision: Decision }) {
  const costs = candidates.flatMap((one) => (one.expectedNano === null ? [] : [BigInt(one.expectedNano)]));
  const decimals = decimalsOf([...costs, ...candidates.flatMap((one) => (one.priceNano === null ? [] : [BigInt(one.priceNano)]))]);
  const dearest = costs.reduce((most, nano) => (nano > most ? nano : most), 0n);
  const share = (nano: bigint): number => (dearest === 0n ? 0 : Number((nano * 10_000n) / dearest) / 10_000);
  const late = candidates.some((one) => one.missed !== undefined);
  return (
    <>
      <table className="cards short candidates">
        <Head columns={["candidate", "#price", "#expected cost", "#in time", ...(late ? ["#late"] : []), "why"]} />
        <tbody>
          {candidates.map((one) => (
            <tr key={`${one.lane} ${one.model ?? ""}`} className={one.chosen ? "chosen" : one.eligible ? "" : "out"}>
              <Name candidate={one} placed={kind === "place"} />
              <td className={figure(one.priceNano)} data-label="price">
                {one.priceNano === null ? <None /> : usd(BigInt(one.priceNano), decimals)}
              </td>
              <td className={figure(one.expectedNano)} data-label="expected cost">
                {one.expectedNano === null ? (
                  <None />
                ) : (
                  <>
                    {usd(BigInt(one.expectedNano), decimals)}
                    <Meter share={share(BigInt(one.expectedNano))} kind="cost" />
                  </>
                )}
              </td>
              <td className={figure(one.inTime)} data-label="in time">
                {one.inTime === null ? (
                  <None />
                ) : (
                  <>
                    {percentOf(one.inTime)}
                    <Meter share={one.inTime} kind="chance" />
                  </>
                )}
              </td>
              {late ? (
                <td className={figure(one.missed ?? null)} data-label="late">
                  {one.missed === undefined ? <None /> : percentOf(one.missed)}
                </td>
              ) : null}
              <td data-label="why" className="reason">
                {one.why}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="quiet footnote">
        Expected cost: the price with the rescue and the waste that may follow. In time: the answer is in hand before a rescue would start (batch) or
        by the deadline.{late ? " Late: no answer by the deadline, the rescue counted in." : ""}
      </p>
    </>
  );
}

/** On a narrow screen a figure that is not there takes no room. */
const figure = (value: string | number | null): string => (value === null ? "number blank" : "number");

const percentOf = (chance: number): string => `${(chance * 100).toFixed(1)} %`;

const None = () => <span className="quiet">none</span>;

/** A share as a bar under its figure. */
const Meter = ({ share, kind }: { share: number; kind: "cost" | "chance" }) => (
  <span className={`meter ${kind}`} aria-hidden="true">
    <span className="fill" style={{ width: `${share * 100}%` }} />
  </span>
);

/** The lane, and what became of it: a placing takes it, a delay only means to. */
const Name = ({ candidate, placed }: { candidate: Candidate; placed: boolean }) => (
  <th scope="row">
    {candidate.lane}
    {candidate.model === undefined ? null : <span className="quiet"> {candidate.model}</span>}
    {candidate.chosen ? (
      <span className="tag">{placed ? "chosen" : "meant"}</span>
    ) : candidate.eligible ? null : (
      <span className="tag">left out</span>
    )}
  </th>
);

/** Which model answers in the asked one's place, why, and what that changes of the request. */
const StandIn = ({ fallback }: { fallback: NonNullable<Decision["fallback"]> }) => (
  <div className="aside" role="note">
    <p>
      <strong>{fallback.name}</strong> stands in: {fallback.why}.
    </p>
    {fallback.notes.length === 0 ? null : (
      <ul>
        {fallback.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    )}
  </div>
);
