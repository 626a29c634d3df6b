import { cpSync } from "node:fs";
import { join } from "node:path";
import { type Ground, NOWHERE, prepareGround, startApps, startEmulator } from "@slowboat/bench";
import { auditLogs } from "./audit-logs.ts";
import { auditMoney, type MoneyAudit } from "./audit-money.ts";
import { auditWork, type WorkAudit } from "./audit-work.ts";
import { type Caller, openCaller } from "./caller.ts";
import { type Cleared, clearByBill } from "./clear-by-bill.ts";
import { drain } from "./drain.ts";
import type { Progress } from "./progress.ts";
import { startReceiver } from "./receiver.ts";
import { startRecordedProvider } from "./recorded/provider.ts";
import { type Accepted, nothingAccepted, submit } from "./submit.ts";
import { makeTasks, type Task } from "./workload.ts";

/** What a soak is asked with. */
export interface SoakOptions {
  readonly requests: number;
  readonly seed: number;
  readonly progress: Progress;
  /** Factor on the emulator's preset of fault probabilities; 0 for a quiet provider. */
  readonly rate?: number;
  /** Who stands for the providers: the emulator with its faults, or recorded answers that know nothing of it. */
  readonly provider?: "emulator" | "recorded";
  /** Where the services' logs are copied to before they go; `null` to let them go. */
  readonly logsDir?: string | null;
}

/** The outcome: what the contract of the command names, and one sentence for everything that is wrong. */
export interface SoakReport {
  readonly results: Readonly<Record<string, unknown>>;
  readonly findings: readonly string[];
}

/** Job ms in a machine ms: four hours of deadline pass in half a minute. */
const SCALE = 480;
/** Batches of ten minutes and real-time latencies as published. */
const EMULATOR = ["--latency", "prior", "--batch-turnaround-ms", "600000"];
const AT_ONCE = 24;
/** Machine ms without a change after which what has not ended never will: longer than the day of job time that a provider's batch may hang. */
const STILL_MS = 240_000;

/**
 * The running stack against the emulator with every fault switched on at random: work of all kinds is submitted through the public API, waited
 * for, and audited from outside against what callers were promised and what the provider bills. Throws when the stack does not start or
 * refuses work.
 */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const stops: (() => void | Promise<void>)[] = [];
  try {
    const ground = await prepareGround(undefined, SCALE);
    stops.push(ground.stop);
    const { logsDir } = options;
    if (logsDir != null) stops.push(() => cpSync(join(ground.dir, "logs"), logsDir, { recursive: true }));
    const provider = options.provider === "recorded" ? await recorded(ground) : await emulated(ground, options);
    stops.push(provider.stop);
    const receiver = await startReceiver(ground.webhookSecret);
    stops.push(receiver.close);
    const { webhookSecret } = provider;
    const apps = await startApps(ground, {
      upstreamUrl: provider.url,
      anthropic: true,
      pool: true,
      callbackAllow: [receiver.address],
      profileDir: null,
      ...(webhookSecret === undefined ? {} : { webhookSecret }),
    });
    stops.push(apps.stop);
    await provider.begin?.(`${apps.url}/webhooks/openai`);
    const caller = openCaller(apps.url, ground.key, AT_ONCE);
    stops.push(caller.close);
    const accepted = nothingAccepted();
    await submitAll(options, caller, receiver.url, accepted);
    const stuck = await drain(ground.store, STILL_MS, (left) => options.progress.at("drain", options.requests - left, options.requests));
    options.progress.end();
    const work = await auditWork({ caller, store: ground.store, receiver, accepted });
    const money = await auditMoney(ground.store, provider.url);
    return reportOf(options.requests, {
      work,
      money,
      // Last, since it empties the suspense that was audited.
      cleared: await clearByBill(ground.store, provider.url),
      fired: await firedAt(provider.url),
      stuck,
      accepted,
      stumbles: auditLogs(join(ground.dir, "logs")),
      jobs: await jobEnds(ground),
    });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

interface Provider {
  readonly url: string;
  /** What it signs its announcements of batches with, where it announces them. */
  readonly webhookSecret?: string;
  /** Tells it where to announce, once that is known, and lets its faults loose. */
  begin?(announceTo: string): Promise<void>;
  stop(): Promise<void>;
}

async function emulated(ground: Ground, options: SoakOptions): Promise<Provider> {
  const { url, child } = await startEmulator(ground, [...EMULATOR, "--seed", String(options.seed)]);
  const endpoint = async (path: string, wish: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: "Bearer soak", "content-type": "application/json" };
    const answer = await fetch(`${url}/v1/webhook_endpoints${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(wish),
      signal: AbortSignal.timeout(5_000),
    });
    if (!answer.ok) throw new Error(`the emulator takes no webhook endpoint: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  const events = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"];
  // Its secret is needed before the service that listens has an address.
  const made = await endpoint("", { name: "soak", url: NOWHERE, event_types: events });
  return {
    url,
    webhookSecret: String(made["signing_secret"]),
    begin: async (announceTo) => {
      await endpoint(`/${String(made["id"])}`, { url: announceTo });
      await switchFaultsOn(url, options);
    },
    stop: child.stop,
  };
}

const recorded = async ({ clock }: Ground): Promise<Provider> =>
  await startRecordedProvider(() => clock.anchorMs + (Date.now() - clock.anchorMs) * clock.scale);

async function switchFaultsOn(emulatorUrl: string, { seed, rate = 1 }: SoakOptions): Promise<void> {
  const answer = await fetch(`${emulatorUrl}/emulator/chaos`, {
    method: "POST",
    body: JSON.stringify({ seed, rate }),
    signal: AbortSignal.timeout(5_000),
  });
  if (!answer.ok) throw new Error(`the emulator refused the faults: ${await answer.text()}`);
}

async function submitAll(options: SoakOptions, caller: Caller, callbackUrl: string, accepted: Accepted): Promise<void> {
  const left: Iterator<Task> = makeTasks(options.requests, options.seed)[Symbol.iterator]();
  let done = 0;
  const one = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) {
      await submit(caller, callbackUrl, accepted, next.value);
      done += next.value.requests;
      options.progress.at("submit", done, options.requests);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

interface Fired {
  readonly fired: Readonly<Record<string, number>>;
  readonly lostReplies: number;
}

async function firedAt(emulatorUrl: string): Promise<Fired> {
  const answer = await fetch(`${emulatorUrl}/emulator/faults`, { signal: AbortSignal.timeout(10_000) });
  return (await answer.json()) as Fired;
}

/** How the jobs ended: completed, cancelled, or failed and with what. */
async function jobEnds(ground: Ground): Promise<Record<string, number>> {
  const rows = await ground.store.sql<{ how: string; n: number }[]>`
    select case when j.state = 'failed' then 'failed: ' || coalesce(j.error::json ->> 'code', 'the provider''s ' || r.status_code, 'unsaid') else j.state end as how,
      count(*)::int as n
    from job j left join result r on r.job_id = j.id group by 1 order by 1`;
  return Object.fromEntries(rows.map(({ how, n }) => [how, n]));
}

interface Seen {
  readonly work: WorkAudit;
  readonly money: MoneyAudit;
  readonly cleared: Cleared;
  readonly fired: Fired;
  readonly stuck: readonly string[];
  readonly stumbles: readonly string[];
  readonly accepted: Accepted;
  readonly jobs: Readonly<Record<string, number>>;
}

function reportOf(requests: number, { work, money, cleared, fired, stuck, stumbles, accepted, jobs }: Seen): SoakReport {
  const lostReplies = fired.lostReplies + money.orphanLines;
  const apart = money.invoice - money.ledger - money.suspense;
  const findings = [...stuck.map((what) => `never ended: ${what}`), ...work.findings, ...money.findings, ...cleared.findings, ...stumbles];
  if (apart !== 0n) findings.push(`the bill is ${money.invoice} nano-USD, ledger and suspense together are ${money.ledger + money.suspense}`);
  if (money.suspenseLines > 2 * lostReplies)
    findings.push(`${money.suspenseLines} lines of the bill are in suspense where ${lostReplies} replies were lost`);
  if (work.webhooks.delivered !== work.webhooks.owed) findings.push(`${work.webhooks.delivered} of ${work.webhooks.owed} announcements arrived`);
  const { calls } = accepted;
  return {
    findings,
    results: {
      requests,
      lost: work.lost,
      doubled: work.doubled + money.doubled,
      matched: money.matched,
      mismatched: money.mismatched,
      suspense: String(money.suspense),
      lost_replies: lostReplies,
      ledger: String(money.ledger),
      invoice: String(money.invoice),
      waste: String(money.waste),
      faults: fired.fired,
      webhooks: work.webhooks,
      suspense_lines: money.suspenseLines,
      suspended_attempts: money.suspended,
      cleared_by_bill: { attempts: cleared.cleared, ledger: String(cleared.ledger), looked_for: cleared.sought },
      calls: { answered: calls.answered, failed: calls.failed, unanswered: calls.unanswered },
      jobs,
      findings: findings.length,
    },
  };
}
