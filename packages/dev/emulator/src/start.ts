import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { type ClockRow, jobNowMs } from "@slowboat/kernel";
import { createMessageBatches } from "./anthropic-batches.ts";
import { createApp } from "./http/app.ts";
import type { Face } from "./http/face.ts";
import { type Invoice, settledInvoice } from "./invoice.ts";
import { diskKeep, memoryKeep } from "./keep.ts";
import type { FaultRule } from "./model/faults.ts";
import { createLimiter } from "./model/limits.ts";
import type { Latency } from "./model/turnaround.ts";
import { createOpenAiBatches } from "./openai-batches.ts";
import { type Behaviour, createCore } from "./provider.ts";
import { createAnnouncer } from "./webhooks.ts";

/** Settings of an emulator. Everything has a default: a free port, seed 1, no journal, machine time, published latencies. */
export interface EmulatorOptions extends Partial<Omit<Behaviour, "seed" | "latency">> {
  readonly port?: number;
  readonly host?: string;
  readonly seed?: number;
  /** The relation of job time to machine time, or a function that returns the job instant in Unix ms; with a function nothing is slept. */
  readonly clock?: ClockRow | (() => number);
  /** Path of the journal; contents lie beside it in `<journal>.files`. Without it the emulator forgets everything when it stops. */
  readonly journal?: string;
  readonly latency?: Latency;
}

/** A running emulator. */
export interface Emulator {
  /** The origin, as `http://127.0.0.1:PORT`; OpenAI clients take `${url}/v1` as their base URL, Anthropic clients `url`. */
  readonly url: string;
  readonly port: number;
  /** Scripts faults, as `POST /emulator/faults` does. */
  addFaults(...rules: readonly FaultRule[]): void;
  /** The provider's bill as of now. */
  invoice(): Promise<Invoice>;
  /** Ends every connection and closes the journal. Idempotent. */
  stop(): Promise<void>;
}

const MACHINE: ClockRow = { realAnchorMs: 0, jobAnchorMs: 0, scale: 1 };

/** Starts the emulator on 127.0.0.1 and resolves when it listens. Rejects when the port is taken or the journal cannot be read. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const clock = options.clock ?? MACHINE;
  const now = typeof clock === "function" ? clock : () => jobNowMs(clock, Date.now());
  const latency = options.latency ?? "prior";
  const keep = options.journal === undefined ? memoryKeep() : diskKeep(options.journal);
  const behaviour: Behaviour = {
    seed: options.seed ?? 1,
    latency,
    batchTurnaroundMs: options.batchTurnaroundMs ?? null,
    luckSlotMs: options.luckSlotMs ?? null,
    flexRefusals: options.flexRefusals ?? 0,
    listedErrors: options.listedErrors ?? "one",
    countersMove: options.countersMove ?? false,
    batchCacheHits: options.batchCacheHits ?? 1,
    enqueuedTokenLimit: options.enqueuedTokenLimit ?? 15_000_000_000,
    messageQueueLimit: options.messageQueueLimit ?? 200_000,
    requestsPerMinute: options.requestsPerMinute ?? null,
    tokensPerMinute: options.tokensPerMinute ?? null,
  };
  const core = createCore(behaviour, keep, now);
  const sleeper = createSleeper();
  const openAiBatches = createOpenAiBatches(core);
  const announcer = createAnnouncer(core, openAiBatches);
  const face: Face = {
    core,
    announcer,
    openAiBatches,
    messageBatches: createMessageBatches(core),
    limiter: createLimiter(behaviour.requestsPerMinute, behaviour.tokensPerMinute),
    sleep: (jobMs) => sleeper.sleep(typeof clock === "function" ? 0 : jobMs / clock.scale),
    outage: (jobMs) => outages.begin(typeof clock === "function" ? jobMs : jobMs / clock.scale),
  };
  const app = createApp(face);
  const server = createAdaptorServer({ fetch: app.fetch, hostname: options.host ?? "127.0.0.1" }) as Server;
  // Real providers keep idle connections for minutes; Node's five seconds would look like resets to pooled clients.
  server.keepAliveTimeout = 120_000;
  const host = options.host ?? "127.0.0.1";
  const port = await listen(server, options.port ?? 0, host);
  const outages = createOutages(server, () => listen(server, port, host));
  let stopped: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    addFaults: (...rules) => core.faults.add(rules),
    invoice: () => settledInvoice(face),
    stop: () => {
      sleeper.wakeAll();
      announcer.stop();
      outages.stop();
      stopped ??= close(server).then(() => keep.close());
      return stopped;
    },
  };
}

/** Waits that all end early together. */
function createSleeper(): { sleep(ms: number): Promise<void>; wakeAll(): void } {
  const sleeping = new Set<() => void>();
  let over = false;
  return {
    sleep: (ms) => {
      // A timer is never shorter than a millisecond; waits below half of one are none.
      if (ms < 0.5 || over) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          sleeping.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        sleeping.add(wake);
      });
    },
    wakeAll: () => {
      over = true;
      for (const wake of [...sleeping]) wake();
    },
  };
}

const LISTEN_AGAIN_MS = 50;

/** Takes the server off the net for a while. Nothing listens again after `stop`. */
function createOutages(server: Server, listenAgain: () => Promise<number>): { begin(ms: number): void; stop(): void } {
  let timer: NodeJS.Timeout | null = null;
  let over = false;
  const end = (): void => {
    timer = null;
    if (over) return;
    // Somebody else may hold the port for a moment.
    listenAgain().catch(() => {
      if (!over) timer = setTimeout(end, LISTEN_AGAIN_MS);
    });
  };
  return {
    begin: (ms) => {
      if (timer !== null || over) return;
      const until = performance.now() + ms;
      timer = setTimeout(() => undefined, ms);
      void close(server).then(() => {
        if (timer !== null) clearTimeout(timer);
        timer = setTimeout(end, Math.max(0, until - performance.now()));
      });
    },
    stop: () => {
      over = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
