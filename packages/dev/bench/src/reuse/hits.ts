import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTenant } from "@slowboat/store";
import { Pool } from "undici";
import type { BenchOptions } from "../bench.ts";
import { openLoop } from "../intake/load.ts";
import { startApps } from "../stack/apps.ts";
import { startChild } from "../stack/child.ts";
import { type Ground, prepareGround } from "../stack/ground.ts";
import { percentile, rounded } from "../stats.ts";

/** Semantic hits through the running intake API. */
export interface Hits {
  readonly hit_p99_ms: number;
  readonly hit_p50_ms: number;
  /** Answers of the measured stretch that were hits, of all its requests. */
  readonly hits: number;
  readonly requests: number;
}

const PER_SECOND = 20;
const RUN_MS = { full: 30_000, quick: 5_000 };
const WARM_MS = 2_000;
/** Questions that are asked of the provider first: more than the verifier needs to learn from. */
const LESSONS = 320;
const LESSONS_AT_ONCE = 4;
const LEARN_MS = 120_000;
const LOOK_MS = 200;

const COLOURS = "red blue green black white yellow purple orange silver golden brown grey".split(" ");
const THINGS = "lamp chair kettle clock ladder bottle candle mirror basket blanket hammer bucket pillow ticket".split(" ");
const WORDINGS = [
  (thing: string) => `How do I clean the ${thing} properly?`,
  (thing: string) => `How should I clean the ${thing} properly?`,
  (thing: string) => `How can I properly clean the ${thing}?`,
  (thing: string) => `What is the way to clean the ${thing} properly?`,
];

/**
 * Measures hits at 20 a second through a running installation: its tenant has semantic reuse on, it has learned from its own traffic, and each hit is committed as a
 * job before it is answered. The upstream answers at once, so that what is learned is learned quickly.
 */
export async function measureHits(options: Pick<BenchOptions, "quick" | "profileDir" | "say">): Promise<Hits> {
  const stops: (() => Promise<void>)[] = [];
  try {
    options.say("hits: starting Postgres, the services and an upstream that answers at once");
    const ground = await prepareGround();
    stops.push(ground.stop);
    const worker = fileURLToPath(new URL("../stack/upstream-worker.ts", import.meta.url));
    const upstream = await startChild({ main: worker, args: ["700"], env: {}, logPath: join(ground.dir, "logs", "upstream.log") });
    stops.push(upstream.stop);
    const reuse = JSON.stringify({ on: true, maxError: 0.05, ttlMs: null });
    await ground.store.begin((tx) => setTenant(tx, { name: "bench", semanticCache: reuse }));
    const apps = await startApps(ground, { upstreamUrl: `http://127.0.0.1:${String(upstream.ready["port"])}`, profileDir: options.profileDir });
    stops.push(apps.stop);
    const pool = new Pool(apps.url, { connections: 32, pipelining: 1 });
    stops.push(() => pool.close());
    const ask = asker(pool, ground.key);
    options.say(`hits: ${LESSONS} questions to learn from`);
    await lessons(ground, ask);
    return await measure(ask, options);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Asks a question; true where its answer was one to another question. */
type Ask = (question: string) => Promise<boolean>;

const asker =
  (pool: Pool, key: string): Ask =>
  async (question) => {
    const body = JSON.stringify({ model: "gpt-4.1-mini", max_completion_tokens: 16, messages: [{ role: "user", content: question }] });
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const reply = await pool.request({ path: "/v1/chat/completions", method: "POST", headers, body });
    const text = await reply.body.text();
    if (reply.statusCode !== 200) throw new Error(`the intake answered ${reply.statusCode}: ${text.slice(0, 300)}`);
    return reply.headers["slowboat-cache"] === "semantic";
  };

/** The nth of many questions; those of one thing differ in their words alone. */
function questionOf(n: number): string {
  const things = COLOURS.length * THINGS.length;
  const thing = `${COLOURS[n % COLOURS.length]} ${THINGS[Math.floor(n / COLOURS.length) % THINGS.length]}`;
  return (WORDINGS[Math.floor(n / things) % WORDINGS.length] as (typeof WORDINGS)[number])(thing);
}

/** Asks until all that was asked is learned. */
async function lessons(ground: Ground, ask: Ask): Promise<void> {
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < LESSONS) await ask(questionOf(next++));
  };
  await Promise.all(Array.from({ length: LESSONS_AT_ONCE }, caller));
  for (const until = performance.now() + LEARN_MS; ; ) {
    const [row] = await ground.store.sql<{ open: number }[]>`select count(*)::int as open from semantic_ask where closed_at_ms is null`;
    if (row?.open === 0) return;
    if (performance.now() > until) throw new Error(`${row?.open} questions were not learned from in ${LEARN_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function measure(ask: Ask, { quick, say }: Pick<BenchOptions, "quick" | "say">): Promise<Hits> {
  let n = 0;
  const times: number[] = [];
  let requests = 0;
  const send = async (): Promise<void> => {
    // A tail of spaces makes it no exact repetition.
    const question = `${questionOf(n)}${" ".repeat(1 + (n % 7))}`;
    n++;
    requests++;
    const started = performance.now();
    if (await ask(question)) times.push(performance.now() - started);
  };
  await openLoop(PER_SECOND, WARM_MS, [send]);
  [times.length, requests] = [0, 0];
  const runMs = quick ? RUN_MS.quick : RUN_MS.full;
  say(`hits: ${PER_SECOND} a second for ${runMs / 1000} s`);
  await openLoop(PER_SECOND, runMs, [send]);
  if (times.length === 0) throw new Error(`none of ${requests} questions was a hit`);
  return { hit_p99_ms: rounded(percentile(times, 0.99), 1), hit_p50_ms: rounded(percentile(times, 0.5), 1), hits: times.length, requests };
}
