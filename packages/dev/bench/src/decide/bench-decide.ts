import type { LaneId } from "@slowboat/contract";
import { CLAIM_JOBS, createMeter, createPromptTraffic, createQuotas, type Meter, type PlanDeps, planDue } from "@slowboat/dispatch";
import { seededRng } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { createQueue } from "@slowboat/queue";
import { createLogger, systemClock } from "@slowboat/runtime";
import { explainClaim, openStore, type Store } from "@slowboat/store";
import type { Bench, BenchOptions, BenchReport, Figure } from "../bench.ts";
import { prepareGround } from "../stack/ground.ts";
import { percentile, rounded } from "../stats.ts";
import { insertFresh, type PendingSpec, seedPending } from "./seed-pending.ts";

const FULL = { rows: 5_000_000, looks: 600, warm: 20, endMs: Number.POSITIVE_INFINITY };
/** Looks no more after so many ms, however busy the machine. */
const QUICK = { rows: 100_000, looks: 40, warm: 2, endMs: 36_000 };
/** What was placed ends, and as many jobs as so many looks take come in anew, every so many looks. */
const REFILL_EVERY = 10;
const REFILL = REFILL_EVERY * CLAIM_JOBS;
const TENANTS = 400;
const LANE = "openai-batch";
const ACCOUNT = "openai|bench";
const MODELS = ["gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini"] as const;
const LANES: readonly LaneId[] = ["openai", "openai-batch", "openai-flex", "anthropic", "anthropic-batch"];
const CLAIM_LIMIT_MS = 50;
const DECIDE_LIMIT_MS = 1;
const STATEMENT_MS = 1_800_000;

interface Samples {
  readonly claimMs: number[];
  readonly decideMs: number[];
  readonly lookMs: number[];
  jobs: number;
}

/** What the planner takes for a claim and a decision on a table of millions of pending jobs that moves under it, as it does in a running installation. */
export const decideBench: Bench = async (options) => {
  const startedMs = performance.now();
  const size = options.quick ? QUICK : FULL;
  options.say("starting Postgres");
  const ground = await prepareGround();
  const store = openStore(ground.postgres.socketUrl, { max: 4, name: "slowboat-bench-decide", statementTimeoutMs: STATEMENT_MS });
  const queue = await createQueue({ backend: "postgres", url: ground.postgres.socketUrl, max: 2 });
  try {
    const spec: PendingSpec = {
      rows: size.rows,
      seed: options.seed,
      nowMs: Date.now(),
      tenants: TENANTS,
      lane: LANE,
      account: ACCOUNT,
      models: MODELS,
    };
    await seedPending(store.sql, spec, (done) => options.say(`${done.toLocaleString("en-US")} of ${size.rows.toLocaleString("en-US")} rows`));
    const fresh = await claimPlan(store);
    const samples = await run({ options, store, spec, ...size, endMs: startedMs + size.endMs }, (meter) => ({
      store,
      queue,
      book: loadPriceBook(STANDARD_PRICES),
      lanes: LANES.map((id) => ({ id, account: id.startsWith("openai") ? ACCOUNT : "anthropic|bench", emulated: true, concurrency: 240 })),
      meter,
      time: { clock: systemClock(), rng: seededRng(options.seed), tickMs: 200, poolTokensPerSecond: 8_000 },
      logger: createLogger("bench", "error"),
      quotas: createQuotas(),
      prompts: createPromptTraffic(),
    }));
    const used = await claimPlan(store);
    return report(samples, { pending: await pendingRows(store), sizes: await sizesOf(store), plans: { fresh, used } });
  } finally {
    await queue.close();
    await store.close();
    await ground.stop();
  }
};

const claimPlan = (store: Store): Promise<string[]> => store.begin((tx) => explainClaim(tx, { nowMs: Date.now(), limit: CLAIM_JOBS }));

interface Run {
  readonly options: BenchOptions;
  readonly store: Store;
  readonly spec: PendingSpec;
  readonly looks: number;
  readonly warm: number;
  readonly endMs: number;
}

/** The planner's own look, again and again: claim, decide, write, ring. Between looks, not counted, what was placed ends and new work comes. */
async function run({ options, store, spec, looks, warm, endMs }: Run, depsWith: (meter: Meter) => PlanDeps): Promise<Samples> {
  const samples: Samples = { claimMs: [], decideMs: [], lookMs: [], jobs: 0 };
  let counting = false;
  let stop = new AbortController();
  const meter: Meter = {
    ...createMeter(),
    noteLook: () => stop.abort(),
    noteClaim: (ms) => void (counting && samples.claimMs.push(ms)),
    noteDecision: (ms) => void (counting && samples.decideMs.push(ms)),
  };
  const deps = depsWith(meter);
  let next = spec.rows;
  for (let look = -warm; look < looks && (look < 1 || performance.now() < endMs); look++) {
    if (look % REFILL_EVERY === 0) {
      await insertFresh(store.sql, { ...spec, nowMs: Date.now() }, next, REFILL);
      next += REFILL;
    }
    counting = look >= 0;
    stop = new AbortController();
    const startedMs = performance.now();
    const jobs = await planDue(deps, stop.signal);
    if (counting) {
      samples.lookMs.push(performance.now() - startedMs);
      samples.jobs += jobs;
    }
    await endPlaced(store);
    if (look % 40 === 39) options.say(`${look + 1} of ${looks} looks, ${rounded(samples.jobs / (sum(samples.lookMs) / 1000))} decisions a second`);
  }
  return samples;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** What the last looks placed ends as it does after its answers: its rows change once more and leave the index. */
async function endPlaced(store: Store): Promise<void> {
  await store.begin(async (tx) => {
    const gone = await tx<{ id: string }[]>`
      update dispatch set state = 'done', ended_at_ms = ${Date.now()}::float8 where state = 'queued' returning id`;
    await tx`
      update job j set state = 'completed', next_decision_at_ms = null, ended_at_ms = ${Date.now()}::float8, version = j.version + 1
      from attempt a where a.dispatch_id = any(${gone.map(({ id }) => id)}::text[]) and a.dispatch_id is not null and j.id = a.job_id`;
  });
}

async function pendingRows(store: Store): Promise<number> {
  const [row] = await store.sql<{ n: number }[]>`select count(*)::int as n from job where next_decision_at_ms is not null`;
  return row?.n ?? 0;
}

interface Sizes {
  readonly tableMb: number;
  readonly indexMb: number;
  readonly dead: number;
  readonly vacuums: number;
}

async function sizesOf(store: Store): Promise<Sizes> {
  const [row] = await store.sql<Sizes[]>`
    select round(pg_relation_size('public.job') / 1048576)::int as "tableMb", round((pg_relation_size('public.job_due_rescue') + pg_relation_size('public.job_due_single') + pg_relation_size('public.job_due_line')) / 1048576)::int as "indexMb",
      n_dead_tup::int as dead, autovacuum_count::int as vacuums from pg_stat_user_tables where schemaname = 'public' and relname = 'job'`;
  return row ?? { tableMb: 0, indexMb: 0, dead: 0, vacuums: 0 };
}

function report(
  samples: Samples,
  at: { readonly pending: number; readonly sizes: Sizes; readonly plans: { fresh: string[]; used: string[] } },
): BenchReport {
  const results = {
    pending: at.pending,
    claim_p99_ms: rounded(percentile(samples.claimMs, 0.99), 2),
    decisions_per_second: rounded(samples.jobs / (sum(samples.lookMs) / 1000)),
    decide_p99_ms: rounded(percentile(samples.decideMs, 0.99), 4),
  };
  const held = (value: number, limit: number): string => `limit ${limit} ms: ${value < limit ? "held" : "NOT HELD"}`;
  const figures: Figure[] = [
    { what: "pending jobs in Postgres", ours: results.pending.toLocaleString("en-US"), beside: "" },
    {
      what: `claim of ${CLAIM_JOBS.toLocaleString("en-US")}, p99`,
      ours: `${results.claim_p99_ms} ms`,
      beside: held(results.claim_p99_ms, CLAIM_LIMIT_MS),
    },
    { what: "  p50", ours: `${rounded(percentile(samples.claimMs, 0.5), 2)} ms`, beside: `${samples.claimMs.length} claims` },
    { what: "one decision, p99", ours: `${results.decide_p99_ms} ms`, beside: held(results.decide_p99_ms, DECIDE_LIMIT_MS) },
    { what: "  p50", ours: `${rounded(percentile(samples.decideMs, 0.5), 4)} ms`, beside: `${samples.decideMs.length} decisions` },
    { what: "decisions, written down", ours: `${results.decisions_per_second} /s`, beside: "claim, decide, attempts, dispatches, bells" },
    { what: "a look, p99", ours: `${rounded(percentile(samples.lookMs, 0.99))} ms`, beside: `p50 ${rounded(percentile(samples.lookMs, 0.5))} ms` },
  ];
  const { sizes, plans } = at;
  return {
    ran: true,
    results,
    figures,
    notes: [
      `job: ${sizes.tableMb} MB, its indexes of what is due ${sizes.indexMb} MB, ${sizes.dead} dead rows, ${sizes.vacuums} autovacuums during the run.`,
      "Between looks, not counted: what was placed ends, and as many new jobs come in. Jobs that are out in provider batches have a row each in `job` and none in `attempt`, which a claim does not read.",
      "",
      "The claim on the table as it was filled:",
      ...plans.fresh,
      "",
      "The claim after the run:",
      ...plans.used,
    ],
  };
}
