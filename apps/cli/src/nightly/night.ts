import { setTimeout as pause } from "node:timers/promises";
import { parseDeadline } from "@slowboat/kernel";
import { type ReceiptFacts, readReceipt } from "@slowboat/store";
import type { Stack } from "../supervisor/stack.ts";
import { type Downloads, downloadNight } from "./download.ts";
import type { NightPlan } from "./night-plan.ts";
import { forgetNight, keepNight, type NightState, PARTS, unfinishedNight } from "./night-state.ts";
import { doneOf, type ProgressOut, progressLine } from "./progress.ts";
import { type Clients, digestOf, makeClients, type PartProgress, partProgress, submitNight } from "./submit.ts";

/** How a night ended. */
export interface NightEnd {
  readonly state: NightState;
  readonly facts: ReceiptFacts;
  readonly downloads: Downloads;
  /** Every job completed, every document has all its results, and nothing is left to settle or in suspense. */
  readonly good: boolean;
  /** What kept it from being good, in words. */
  readonly problems: readonly string[];
}

const POLL_MS = 500;
/** Machine time without one more answer after which an accelerated night counts as stuck. */
const STUCK_MS = 10 * 60_000;
const SETTLE_MS = 60_000;

/** What a night runs with. */
export interface NightDeps {
  readonly stack: Stack;
  readonly plan: NightPlan;
  readonly progress: ProgressOut;
  readonly say: (text: string) => void;
  readonly columns: number;
  readonly zone: string;
  readonly signal: AbortSignal;
}

/** Sends the plan, or goes on with the night that was cut short, and waits for the morning. Throws an AbortError when stopped. */
export async function runNight(deps: NightDeps): Promise<NightEnd> {
  const { stack, plan } = deps;
  const clients = makeClients(stack.url, stack.first.key);
  const digest = digestOf(plan);
  const known = unfinishedNight(stack.folder, stack.first.tenantId, digest);
  if (known) deps.say(`going on with the night of ${known.date}, which was cut short`);
  const begun = known ?? newNight(stack, deps.zone, digest);
  keepNight(stack.folder, begun);
  const state = await submitNight(clients, stack.folder, plan, begun);
  const refusals = await waitForMorning(deps, clients, state);
  const facts = await settledFacts(deps, state);
  deps.progress.end();
  const downloads = await downloadNight(clients, plan, state, stack.folder.at("results", state.date));
  const problems = [...refusals, ...problemsOf(plan, facts, downloads)];
  forgetNight(stack.folder);
  return { state, facts, downloads, good: problems.length === 0, problems };
}

function newNight(stack: Stack, zone: string, digest: string): NightState {
  const startedAtMs = stack.clock.job();
  const evening = new Date(startedAtMs);
  const two = (part: number): string => String(part).padStart(2, "0");
  const date = `${evening.getFullYear()}-${two(evening.getMonth() + 1)}-${two(evening.getDate())}`;
  return { date, deadline: `06:00 ${zone}`, startedAtMs, tenantId: stack.first.tenantId, fileIds: {}, batchIds: {}, digest };
}

const receiptOf = (stack: Stack, state: NightState): Promise<ReceiptFacts> =>
  stack.store.begin((tx) => readReceipt(tx, { tenantId: state.tenantId, batchIds: Object.values(state.batchIds), nowMs: stack.clock.job() }));

/** Shows progress until every batch has ended; returns what was refused as a whole. */
async function waitForMorning(deps: NightDeps, clients: Clients, state: NightState): Promise<string[]> {
  const { stack, plan, signal } = deps;
  const total = PARTS.reduce((sum, part) => sum + plan[part].length, 0);
  const deadline = parseDeadline(state.deadline, state.startedAtMs);
  let moved = { done: -1, atMs: performance.now() };
  for (;;) {
    signal.throwIfAborted();
    const [read, asked] = await Promise.all([receiptOf(stack, state), Promise.all(PARTS.map((part) => partProgress(clients, state, part)))]);
    const facts = { ...read, emulated: read.emulated || stack.emulated };
    const parts = asked.filter((part) => part !== null);
    const done = doneOf(facts);
    const view = {
      phase: phaseOf(parts, plan),
      facts,
      total,
      startedAtMs: state.startedAtMs,
      nowMs: stack.clock.job(),
      deadlineAtMs: "atMs" in deadline ? deadline.atMs : null,
      columns: deps.columns,
    };
    deps.progress.show(progressLine(view));
    if (parts.every((part) => part.ended))
      return parts.flatMap((part) => (part.refusal === null ? [] : [`the batch of ${part.part} was refused: ${part.refusal}`]));
    if (done > moved.done) moved = { done, atMs: performance.now() };
    if (stack.clock.scale > 1 && performance.now() - moved.atMs > STUCK_MS)
      throw new Error(`no job has ended for ${STUCK_MS / 60_000} minutes; see the logs in ${stack.folder.at("logs")}`);
    await pause(POLL_MS, undefined, { signal });
  }
}

const DOING = { embeddings: "embedding", topics: "topics", chat: "OpenAI summaries", messages: "Anthropic summaries" } as const;

/** What is under way, in words; a batch whose jobs are done and which still writes its files is finalizing. */
function phaseOf(parts: readonly PartProgress[], plan: NightPlan): string {
  const open = parts.filter((part) => !part.ended);
  if (open.length === 0) return "done";
  return open
    .map(({ part, done }) => (done >= plan[part].length ? `finalizing ${DOING[part]}` : `${DOING[part]} ${done}/${plan[part].length}`))
    .join(", ");
}

/** The facts when nothing waits for settlement any more, or after a bounded wait. */
async function settledFacts(deps: NightDeps, state: NightState): Promise<ReceiptFacts> {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    const facts = await receiptOf(deps.stack, state);
    if (facts.unsettled === 0 || performance.now() > until) return facts;
    await pause(POLL_MS, undefined, { signal: deps.signal });
  }
}

function problemsOf(plan: NightPlan, facts: ReceiptFacts, downloads: Downloads): string[] {
  const wanted = PARTS.reduce((sum, part) => sum + plan[part].length, 0);
  const completed = facts.jobs.reduce((sum, row) => sum + (row.state === "completed" ? row.jobs : 0), 0);
  const { summaries, topics, embeddings, errors } = downloads.counts;
  const fetched = summaries + topics + embeddings;
  return [
    ...(completed === wanted ? [] : [`${completed} of ${wanted} jobs completed`]),
    ...(fetched === wanted ? [] : [`${fetched} of ${wanted} results were downloaded, ${errors} errors`]),
    ...(facts.deadlinesMissed === 0 ? [] : [`${facts.deadlinesMissed} deadlines were missed`]),
    ...(facts.unsettled === 0 ? [] : [`${facts.unsettled} answers are not settled`]),
    ...(facts.suspense.attempts === 0 ? [] : [`${facts.suspense.attempts} attempts are in suspense`]),
  ];
}
