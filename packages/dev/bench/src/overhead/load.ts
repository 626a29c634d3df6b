import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "../stack/child.ts";

/** One stretch of closed-loop load. */
export interface LoadOrder {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly runMs: number;
  /** No two orders of a run share it: it makes their bodies differ. */
  readonly seed: number;
  readonly bodyBytes: number;
}

/** What came of it. */
export interface LoadReport {
  /** One request after another, from the first byte out to the last byte in (ms). */
  readonly latencies: readonly number[];
  readonly seconds: number;
  /** The first answer that was no completion; `null` when all were. */
  readonly refusal: { readonly statusCode: number; readonly said: string } | null;
}

/** The process that sends the load. */
export interface LoadClient {
  /** Throws with the first answer that was anything but a completion with status 200. */
  run(name: string, order: LoadOrder): Promise<LoadReport>;
  stop(): Promise<void>;
}

export async function startLoadClient(logDir: string): Promise<LoadClient> {
  const main = fileURLToPath(new URL("./load-worker.ts", import.meta.url));
  const child: Child = await startChild({ main, env: {}, logPath: join(logDir, "load.log") });
  return {
    run: async (name, order) => {
      const report = (await child.ask({ ...order })) as unknown as LoadReport;
      if (report.refusal !== null) throw new Error(`${name} answered ${report.refusal.statusCode}: ${report.refusal.said}`);
      return report;
    },
    stop: child.stop,
  };
}
