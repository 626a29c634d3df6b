import { type Candidate, chosenOf, type Decision, type DecisionInputs, type DelayDecision, decisionWords, laneClass } from "@slowboat/contract";
import type { ShownAttempt } from "@slowboat/store";

/** What a decision rested on, as far as it is drawn; `null` for one that judged nothing by price. */
const rested = (inputs: DecisionInputs | undefined, slackMs: number | null) =>
  inputs === undefined
    ? null
    : {
        slackMs,
        inputTokens: inputs.inputTokens,
        outputTokens: inputs.outputTokens,
        batchLines: inputs.batchLines,
        queues: inputs.lanes.flatMap(({ id, queued }) => (typeof queued === "number" && queued > 0 ? [{ lane: id, queued }] : [])),
        batches: inputs.lanes.flatMap(({ id }) => (laneClass(id) === "batch" ? [{ lane: id, seen: inputs.turnaround?.[id]?.seen ?? 0 }] : [])),
      };

const slack = (deadlineAtMs: number | null, atMs: number): number | null => (deadlineAtMs === null ? null : deadlineAtMs - atMs);

const marked = (candidates: readonly Candidate[], isChosen: (one: Candidate) => boolean) =>
  candidates.map((one) => ({ ...one, chosen: isChosen(one) }));

function placed({ id, seq, decision: stored }: ShownAttempt) {
  const decision = JSON.parse(stored) as Decision;
  const { lane, role, reason, decidedAtMs, deadlineAtMs, latestStartAtMs, fallback } = decision;
  const chosen = chosenOf(decision);
  return {
    kind: "place",
    did: decisionWords("place", lane),
    ...{ lane, role, reason, decidedAtMs, latestStartAtMs },
    untilMs: null,
    attempt: { id, seq },
    ...(fallback === undefined ? {} : { fallback }),
    inputs: rested(decision.inputs, slack(deadlineAtMs, decidedAtMs)),
    candidates: marked(decision.candidates, (one) => one === chosen),
  };
}

function putOff(record: string, deadlineAtMs: number | null) {
  const { kind, lane, role, reason, decidedAtMs, untilMs, inputs, candidates } = JSON.parse(record) as DelayDecision;
  return {
    ...{ kind, lane, role, reason, decidedAtMs, untilMs },
    did: decisionWords(kind, lane),
    latestStartAtMs: null,
    attempt: null,
    inputs: rested(inputs, slack(deadlineAtMs, decidedAtMs)),
    candidates: marked(candidates, (one) => one.lane === lane),
  };
}

/** Everything that was decided on a job, in order: where it was placed, and why it was not. The records are those of `GET /v1/jobs/:id/decision`. */
export const decided = (attempts: readonly ShownAttempt[], delays: readonly string[], deadlineAtMs: number | null) =>
  [...delays.map((record) => putOff(record, deadlineAtMs)), ...attempts.map(placed)].sort((a, b) => a.decidedAtMs - b.decidedAtMs);
