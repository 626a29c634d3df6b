import { setTimeout as pause } from "node:timers/promises";

/** What a run of requests took. */
export interface Load {
  /** One request after another, in ms. */
  readonly latencies: readonly number[];
  /** From the first request to the last reply. */
  readonly seconds: number;
}

/** Closed loop: `width` callers, each sending again as soon as its answer is there, for `runMs`. */
export async function closedLoop(width: number, runMs: number, send: () => Promise<void>): Promise<Load> {
  const latencies: number[] = [];
  const started = performance.now();
  const caller = async (): Promise<void> => {
    while (performance.now() - started < runMs) {
      const at = performance.now();
      await send();
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: width }, caller));
  return { latencies, seconds: (performance.now() - started) / 1000 };
}

/**
 * Open loop: several kinds of requests, each `perSecond` times a second and evenly shifted against each other, whatever the answers take.
 * A latency counts from the instant at which the request was due, so that a stall is charged to every request it held up.
 */
export async function openLoop(perSecond: number, runMs: number, sends: readonly (() => Promise<void>)[]): Promise<readonly Load[]> {
  const kinds = sends.map((send) => ({ send, latencies: [] as number[] }));
  const everyMs = 1000 / perSecond / kinds.length;
  const started = performance.now();
  const open: Promise<void>[] = [];
  for (let turn = 0; turn * everyMs < runMs; turn++) {
    const dueAt = started + turn * everyMs;
    const kind = kinds[turn % kinds.length];
    if (!kind) break;
    const early = dueAt - performance.now();
    if (early > 0) await pause(early);
    open.push(kind.send().then(() => void kind.latencies.push(performance.now() - dueAt)));
  }
  await Promise.all(open);
  const seconds = (performance.now() - started) / 1000;
  return kinds.map(({ latencies }) => ({ latencies, seconds }));
}
