import { type Candidate, chosenOf, type Decision, type DecisionInputs, type DelayDecision, type LaneId, laneClass } from "@slowboat/contract";
import type { ShownAttempt, ShownJob } from "@slowboat/store";

const instant = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : new Date(ms).toISOString());

const snakeCase = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();

/** A record's own members under the API's names; what is keyed by lanes or models inside keeps its keys. */
const members = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [snakeCase(name), value]));

/** One candidate: what the lane would cost, how likely it would be late, and why it was or was not chosen. */
const candidateObject = (one: Candidate, chosen: boolean): Record<string, unknown> => ({
  lane: one.lane,
  ...(one.model === undefined ? {} : { model: one.model }),
  eligible: one.eligible,
  chosen,
  reason: one.why,
  price_nano: one.priceNano,
  expected_nano: one.expectedNano,
  in_time: one.inTime,
  miss_probability: one.missed ?? null,
});

/** What a decision rested on, in words that a reader knows. */
function inputsObject(inputs: DecisionInputs | undefined, atMs: number, deadlineAtMs: number | null): Record<string, unknown> | null {
  if (inputs === undefined) return null;
  const batches = inputs.lanes.map(({ id }) => id).filter((id) => laneClass(id) === "batch");
  const known = (id: LaneId): Record<string, unknown> => {
    const seen = inputs.turnaround?.[id];
    return seen === undefined ? { model: "published", seen: 0 } : { model: "learned", seen: seen.seen, learned_at: instant(seen.learnedAtMs) };
  };
  return {
    slack_ms: deadlineAtMs === null ? null : deadlineAtMs - atMs,
    input_tokens: inputs.inputTokens,
    output_tokens: inputs.outputTokens,
    batch_lines: inputs.batchLines,
    tick_ms: inputs.tickMs,
    scale: inputs.scale,
    lanes: inputs.lanes.map(members),
    ...(inputs.pool === undefined ? {} : { pool: inputs.pool === null ? null : members(inputs.pool) }),
    turnaround: Object.fromEntries(batches.map((id) => [id, known(id)])),
    ...(inputs.job === undefined ? {} : { job: members(inputs.job) }),
  };
}

interface Shown {
  readonly atMs: number;
  readonly object: Record<string, unknown>;
}

function placed(attempt: ShownAttempt): Shown {
  const decision = JSON.parse(attempt.decision) as Decision;
  const chosen = chosenOf(decision);
  return {
    atMs: decision.decidedAtMs,
    object: {
      at: instant(decision.decidedAtMs),
      kind: "place",
      role: decision.role,
      lane: decision.lane,
      model: decision.model,
      reason: decision.reason,
      latest_start_at: instant(decision.latestStartAtMs),
      attempt: attempt.id,
      prices_version: decision.pricesVersion,
      inputs: inputsObject(decision.inputs, decision.decidedAtMs, decision.deadlineAtMs),
      candidates: decision.candidates.map((one) => candidateObject(one, one === chosen)),
      ...(decision.fallback === undefined ? {} : { fallback: { name: decision.fallback.name, reason: decision.fallback.why } }),
    },
  };
}

function delayObject(record: string, deadlineAtMs: number | null): Shown {
  const delay = JSON.parse(record) as DelayDecision;
  return {
    atMs: delay.decidedAtMs,
    object: {
      at: instant(delay.decidedAtMs),
      kind: delay.kind,
      role: delay.role,
      lane: delay.lane,
      reason: delay.reason,
      until: instant(delay.untilMs),
      inputs: inputsObject(delay.inputs, delay.decidedAtMs, deadlineAtMs),
      candidates: delay.candidates.map((one) => candidateObject(one, one.lane === delay.lane)),
    },
  };
}

/** Everything that was decided on a job, in order: where it was placed, and why it was not. */
export function decisionList(job: ShownJob, attempts: readonly ShownAttempt[], delays: readonly string[]): Record<string, unknown> {
  const all = [...delays.map((record) => delayObject(record, job.deadlineAtMs)), ...attempts.map(placed)];
  return {
    object: "list",
    job: job.id,
    state: job.state,
    deadline: instant(job.deadlineAtMs),
    data: all.sort((a, b) => a.atMs - b.atMs).map(({ object }) => object),
  };
}

/** The last reason for which a job was not placed; `null` for none. */
export function lastDelay(delays: readonly string[]): Record<string, unknown> | null {
  const last = delays.at(-1);
  return last === undefined ? null : delayObject(last, null).object;
}
