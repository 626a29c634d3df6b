import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { formatUsd, nano, parseDeadline } from "@slowboat/kernel";
import { type ReceiptFacts, readReceipt } from "@slowboat/store";
import type { Stack } from "../supervisor/stack.ts";
import { type Downloads, downloadNight } from "./download.ts";
import type { NightPlan } from "./night-plan.ts";
import { keepNight, type NightState, PARTS, takeName, unfinishedNight } from "./night-state.ts";
import { doneOf, instant, type ProgressOut, progressLines } from "./progress.ts";
import { type Clients, digestOf, makeClients, type PartProgress, partProgress, submitNight } from "./submit.ts";

/** How a night ended. */
export interface NightEnd {
  readonly state: NightState;
  readonly facts: ReceiptFacts;
  readonly downloads: Downloads;
  /** It was cut short and gone on with. */
  readonly resumed: boolean;
  /** Machine ms from the evening to the last answer, the time between a crash and the next start included. */
  readonly tookMs: number;
  /** Every job completed in time, every document has all its results, and nothing is left to settle. */
  readonly good: boolean;
  /** What kept it from being good, in words. */
  readonly problems: readonly string[];
  /** What a crash left behind and no job suffered from. */
  readonly notes: readonly string[];
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
  /** `null` where nothing is rewritten and a line may be as long as it is. */
  readonly columns: number | null;
  /** The pace of the night. */
  readonly scale: number;
  readonly zone: string;
  readonly signal: AbortSignal;
}

/** Sends the plan, or goes on with the night that was cut short, and waits for the morning. Throws an AbortError when stopped. */
export async function runNight(deps: NightDeps): Promise<NightEnd> {
  const { stack, plan } = deps;
  const clients = makeClients(stack.url, stack.first.key);
  const digest = digestOf(plan);
  const known = unfinishedNight(stack.folder, stack.first.tenantId, digest);
  if (known) deps.say(`resuming the night to ${known.name}, which was cut short at ${instant(stack.time.clock.job())} job time`);
  const begun = known ?? newNight(stack, deps.zone, digest);
  keepNight(stack.folder, begun);
  const state = await submitNight(clients, stack.folder, plan, begun);
  // Job time stood still until now: neither the start nor the handing in takes an hour of the night.
  if (deps.scale > 1) await stack.time.goOn(deps.scale);
  const refusals = await waitForMorning(deps, clients, state);
  const tookMs = Date.now() - state.startedRealMs;
  const read = await settledFacts(deps, state);
  // An answer of the emulator that the cache gives again is still an emulated one.
  const facts = { ...read, emulated: read.emulated || stack.emulated };
  deps.progress.end();
  const downloads = await downloadNight(clients, plan, state, { dir: stack.folder.at("results", state.name), emulated: facts.emulated });
  const resumed = known !== null;
  const { problems, notes } = judge(plan, facts, downloads, resumed);
  return { state, facts, downloads, resumed, tookMs, good: refusals.length + problems.length === 0, problems: [...refusals, ...problems], notes };
}

function newNight(stack: Stack, zone: string, digest: string): NightState {
  const startedAtMs = stack.time.clock.job();
  const deadline = `06:00 ${zone}`;
  const parsed = parseDeadline(deadline, startedAtMs);
  if (!("atMs" in parsed)) throw new Error(`this machine's zone, ${zone}, is not known`);
  const name = takeName(stack.folder, parsed.atMs);
  const id = `night-${randomUUID()}`;
  const tenantId = stack.first.tenantId;
  return { id, name, deadline, startedAtMs, startedRealMs: Date.now(), tenantId, fileIds: {}, batchIds: {}, digest };
}

const receiptOf = (stack: Stack, state: NightState): Promise<ReceiptFacts> =>
  stack.store.begin((tx) => readReceipt(tx, { tenantId: state.tenantId, batchIds: Object.values(state.batchIds), nowMs: stack.time.clock.job() }));

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
      nowMs: stack.time.clock.job(),
      deadlineAtMs: "atMs" in deadline ? deadline.atMs : null,
      columns: deps.columns,
    };
    deps.progress.show(progressLines(view));
    if (parts.every((part) => part.ended))
      return parts.flatMap((part) => (part.refusal === null ? [] : [`the batch of ${part.part} was refused: ${part.refusal}`]));
    if (done > moved.done) moved = { done, atMs: performance.now() };
    if (stack.time.clock.scale > 1 && performance.now() - moved.atMs > STUCK_MS)
      throw new Error(`no job has ended for ${STUCK_MS / 60_000} minutes; see the logs in ${stack.folder.at("logs")}`);
    await pause(POLL_MS, undefined, { signal });
  }
}

const DOING = { embeddings: "pool", topics: "pool", chat: "LLM", messages: "LLM" } as const;

/** Who is at work, in a word or two, since the line is short; a batch whose jobs are done still writes its files. */
function phaseOf(parts: readonly PartProgress[], plan: NightPlan): string {
  const open = parts.filter((part) => !part.ended);
  if (open.length === 0) return "done";
  const working = open.filter(({ part, done }) => done < plan[part].length);
  return working.length === 0 ? "closing" : [...new Set(working.map(({ part }) => DOING[part]))].join("+");
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

/**
 * What is not as it should be. After a crash a deadline may have passed while nothing ran, and an attempt may never be heard of again:
 * both are told, and neither is a failure of a job that was answered.
 */
export function judge(
  plan: NightPlan,
  facts: ReceiptFacts,
  downloads: Pick<Downloads, "counts">,
  resumed: boolean,
): { readonly problems: string[]; readonly notes: string[] } {
  const wanted = PARTS.reduce((sum, part) => sum + plan[part].length, 0);
  const completed = facts.jobs.reduce((sum, row) => sum + (row.state === "completed" ? row.jobs : 0), 0);
  const { summaries, topics, embeddings, errors } = downloads.counts;
  const fetched = summaries + topics + embeddings;
  const { attempts, amountNano } = facts.suspense;
  const missed = facts.deadlinesMissed === 0 ? [] : [`${facts.deadlinesMissed} deadlines were missed`];
  return {
    problems: [
      ...(completed === wanted ? [] : [`${completed} of ${wanted} jobs completed`]),
      ...(fetched === wanted ? [] : [`${fetched} of ${wanted} results were downloaded, ${errors} errors`]),
      ...(facts.unsettled === 0 ? [] : [`${facts.unsettled} answers are not settled`]),
      ...(resumed ? [] : missed),
    ],
    notes: [
      ...(resumed ? missed.map((text) => `${text}: the night was cut short and resumed`) : []),
      ...(attempts === 0
        ? []
        : [`${attempts} attempts in suspense, at most $${formatUsd(nano(amountNano))}: cut off in flight, perhaps billed, and sent again`]),
    ],
  };
}
