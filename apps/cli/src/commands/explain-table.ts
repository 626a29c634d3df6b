import { decisionWords } from "@slowboat/contract";
import { count, dollars, grid, localTime, percent } from "./words.ts";

interface ShownCandidate {
  readonly lane: string;
  readonly model?: string;
  readonly eligible: boolean;
  readonly chosen: boolean;
  readonly reason: string;
  readonly price_nano: string | null;
  readonly expected_nano: string | null;
  readonly in_time: number | null;
  readonly miss_probability: number | null;
}

interface ShownDecision {
  readonly at: string;
  readonly kind: string;
  readonly role: string;
  readonly lane: string | null;
  readonly reason: string;
  readonly latest_start_at?: string | null;
  readonly until?: string | null;
  readonly inputs: {
    readonly slack_ms: number | null;
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly batch_lines: number;
    readonly lanes: readonly { readonly id: string; readonly queued?: number; readonly concurrency?: number }[];
    readonly turnaround: Readonly<Record<string, { readonly model: string; readonly seen: number }>>;
  } | null;
  readonly candidates: readonly ShownCandidate[];
}

/** `GET /v1/jobs/:id/decision`, as far as it is drawn. */
export interface ShownDecisions {
  readonly job: string;
  readonly state: string;
  readonly deadline: string | null;
  readonly data: readonly ShownDecision[];
}

/** Draws a job's decisions in order. Times are this machine's. */
export function drawDecisions(shown: ShownDecisions, view: { readonly columns: number }): string {
  const first = shown.data[0]?.at ?? shown.deadline ?? new Date(0).toISOString();
  const by = shown.deadline === null ? "no deadline" : `deadline ${localTime(shown.deadline, first)}`;
  const head = `${shown.job}: ${shown.state}, ${by}`;
  if (shown.data.length === 0) return `${head}\n\nNothing is decided yet.`;
  return [head, ...shown.data.map((one, index) => drawOne(one, { index, near: first, columns: view.columns }))].join("\n\n");
}

function drawOne(one: ShownDecision, at: { readonly index: number; readonly near: string; readonly columns: number }): string {
  const { kind, lane, role, candidates } = one;
  const part = role === "try" ? "" : ` (${role})`;
  const lines = [`${at.index + 1}. ${localTime(one.at, at.near)}  ${decisionWords(kind, lane)}${part}`, `   ${one.reason}`];
  if (one.latest_start_at) lines.push(`   rescued at the latest at ${localTime(one.latest_start_at, at.near)}`);
  if (one.until) lines.push(`   looked at again at ${localTime(one.until, at.near)} at the latest`);
  const facts = factsOf(one);
  if (facts !== "") lines.push(`   ${facts}`);
  if (candidates.length > 0) lines.push(...table(candidates, at.columns - 3).map((line) => `   ${line}`));
  return lines.join("\n");
}

/** What the decision rested on, in one line. */
function factsOf({ inputs }: ShownDecision): string {
  if (inputs === null) return "";
  const slack = inputs.slack_ms === null ? "no deadline" : `${lengthOf(inputs.slack_ms)} of slack`;
  const queues = inputs.lanes.flatMap(({ id, queued }) => (queued === undefined || queued === 0 ? [] : [`${count(queued)} before it on ${id}`]));
  const batches = Object.entries(inputs.turnaround).map(([id, one]) =>
    one.seen === 0 ? `${id} by published times` : `${id} by ${count(one.seen)} batches of your own`,
  );
  const tokens = `${count(inputs.input_tokens)} tokens in, ${count(inputs.output_tokens)} out`;
  const company = inputs.batch_lines > 1 ? [`${count(inputs.batch_lines)} lines together`] : [];
  return [slack, tokens, ...company, ...queues, ...batches].join("; ");
}

function table(candidates: readonly ShownCandidate[], columns: number): string[] {
  const money = candidates.flatMap((one) => [one.price_nano, one.expected_nano].flatMap((nano) => (nano === null ? [] : [BigInt(nano)])));
  const usd = dollars(money);
  const amount = (nano: string | null): string => (nano === null ? "-" : usd(BigInt(nano)));
  const named = candidates.some((one) => one.model !== undefined);
  const rows = candidates.map((one) => [
    one.chosen ? ">" : "",
    one.lane,
    ...(named ? [one.model ?? ""] : []),
    amount(one.price_nano),
    amount(one.expected_nano),
    one.miss_probability === null ? "-" : percent(one.miss_probability),
    one.chosen || one.eligible ? one.reason : `out: ${one.reason}`,
  ]);
  return grid([["", "LANE", ...(named ? ["MODEL"] : []), "#PRICE", "#EXPECTED", "#LATE", "WHY"], ...rows], columns);
}

/** A length of job time as a person says it. */
function lengthOf(ms: number): string {
  if (ms < 0) return `-${lengthOf(-ms)}`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
