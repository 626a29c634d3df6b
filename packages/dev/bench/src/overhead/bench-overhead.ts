import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bench, BenchOptions } from "../bench.ts";
import { startApps } from "../stack/apps.ts";
import { startChild } from "../stack/child.ts";
import { prepareGround } from "../stack/ground.ts";
import { median, percentile, rounded } from "../stats.ts";
import { type LoadClient, startLoadClient } from "./load.ts";
import { reportOf, type Speed, type Speeds, type Way } from "./report.ts";
import { untilSettled } from "./settled.ts";
import { witnessIntents } from "./witness.ts";

/** The three ways from a caller to the same upstream. */
const WAYS: readonly Way[] = ["direct", "ours", "portkey"];

/** Where a way is entered. */
type Entrance = Readonly<Record<Way, { readonly url: string; readonly headers: Readonly<Record<string, string>> }>>;

const BODY_BYTES = 1024;
const FULL = { warmMs: 12_000, runs: { 1: { rounds: 3, ms: 3000 }, 32: { rounds: 12, ms: 4000 } } } as const;
const QUICK = { warmMs: 1000, runs: { 1: { rounds: 2, ms: 700 }, 32: { rounds: 3, ms: 1500 } } } as const;

/** What a chat completion costs a caller who asks through a gateway: ours with key, decision and ledger, and Portkey's, interleaved. */
export const overheadBench: Bench = async (options) => {
  const stops: (() => Promise<void>)[] = [];
  try {
    options.say("starting Postgres, the services, the peer and an upstream that answers at once");
    const ground = await prepareGround();
    stops.push(ground.stop);
    const logs = join(ground.dir, "logs");
    const worker = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
    const upstream = await startChild({ main: worker("../stack/upstream-worker.ts"), args: ["1024"], env: {}, logPath: join(logs, "upstream.log") });
    stops.push(upstream.stop);
    const upstreamUrl = `http://127.0.0.1:${String(upstream.ready["port"])}`;
    const peerEnv = { NODE_ENV: "production" };
    const peer = await startChild({
      main: worker("./peer-worker.ts"),
      env: peerEnv,
      logPath: join(logs, "peer.log"),
      profileDir: options.profileDir,
    });
    stops.push(peer.stop);
    const apps = await startApps(ground, { upstreamUrl, profileDir: options.profileDir });
    stops.push(apps.stop);
    const client = await startLoadClient(logs);
    stops.push(client.stop);
    const json = { "content-type": "application/json" };
    const entrance: Entrance = {
      direct: { url: upstreamUrl, headers: { ...json, authorization: "Bearer bench" } },
      ours: { url: apps.url, headers: { ...json, authorization: `Bearer ${ground.key}` } },
      portkey: {
        url: `http://127.0.0.1:${String(peer.ready["port"])}`,
        headers: { ...json, authorization: "Bearer bench", "x-portkey-provider": "openai", "x-portkey-custom-host": `${upstreamUrl}/v1` },
      },
    };
    const witnessed = await witnessIntents(ground, upstream, entrance.ours);
    options.say(`${witnessed} intents were committed before the upstream heard of them`);
    const served = async (): Promise<number> => Number((await upstream.ask({}))["served"]);
    const run = arms(options, client, entrance, { served, settled: (total) => untilSettled(ground, witnessed + total) });
    const c1 = await run(1);
    const c32 = await run(32);
    return reportOf({ c1: c1.speeds, c32: c32.speeds, answered: c32.answered + witnessed, lagMsMax: Math.max(c1.lagMsMax, c32.lagMsMax) });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
};

interface Books {
  /** Requests that the upstream has answered. */
  served(): Promise<number>;
  /** Waits until so many of our calls are settled, checks every row, and says how long that took (ms). */
  settled(total: number): Promise<number>;
}

/** Runs the ways in turn, beginning each round with another one, after a warm stretch of each. */
function arms(
  options: BenchOptions,
  client: LoadClient,
  entrance: Entrance,
  books: Books,
): (connections: 1 | 32) => Promise<{ speeds: Speeds; answered: number; lagMsMax: number }> {
  const size = options.quick ? QUICK : FULL;
  let seed = options.seed * 1_000_000;
  let answered = 0;
  let lagMsMax = 0;
  const stretch = async (way: Way, connections: number, runMs: number): Promise<{ latencies: readonly number[]; rps: number }> => {
    const before = await books.served();
    const load = await client.run(way, { ...entrance[way], connections, runMs, seed: seed++, bodyBytes: BODY_BYTES });
    const heard = (await books.served()) - before;
    if (heard !== load.latencies.length) throw new Error(`${way}: the upstream was asked ${heard} times for ${load.latencies.length} answers`);
    if (way === "ours") {
      answered += load.latencies.length;
      // Whoever is measured next has the machine for itself: nothing of ours is left to settle.
      lagMsMax = Math.max(lagMsMax, await books.settled(answered));
    }
    return { latencies: load.latencies, rps: load.latencies.length / load.seconds };
  };
  return async (connections) => {
    const { rounds, ms } = size.runs[connections];
    for (const way of WAYS) await stretch(way, connections, size.warmMs);
    lagMsMax = 0;
    const seen: Record<Way, { rps: number[]; latencies: number[] }> = {
      direct: { rps: [], latencies: [] },
      ours: { rps: [], latencies: [] },
      portkey: { rps: [], latencies: [] },
    };
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < WAYS.length; turn++) {
        const way = WAYS[(round + turn) % WAYS.length] ?? "direct";
        const { rps, latencies } = await stretch(way, connections, ms);
        seen[way].rps.push(rps);
        for (const one of latencies) seen[way].latencies.push(one);
      }
      const said = WAYS.map((way) => `${way} ${rounded(seen[way].rps.at(-1) ?? 0)}`).join(", ");
      options.say(`${connections} connections, round ${round + 1}: requests a second: ${said}`);
    }
    const speed = ({ rps, latencies }: { readonly rps: readonly number[]; readonly latencies: readonly number[] }): Speed => ({
      rps: rounded(median(rps), 1),
      p50_ms: rounded(percentile(latencies, 0.5), 2),
      p99_ms: rounded(percentile(latencies, 0.99), 2),
    });
    return { speeds: { direct: speed(seen.direct), ours: speed(seen.ours), portkey: speed(seen.portkey) }, answered, lagMsMax };
  };
}
