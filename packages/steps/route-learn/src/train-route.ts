import { Worker } from "node:worker_threads";
import { NO_USAGE } from "@slowboat/contract";
import { seededRng } from "@slowboat/kernel";
import { type PriceBook, price, resolveModel } from "@slowboat/pricing";
import { type Policy, trainPolicy } from "@slowboat/route";
import { inOrder, unpackLabel } from "./stored-label.ts";

/** What a policy is learned from. */
export interface ToTrain {
  readonly labels: readonly Uint8Array[];
  /** The candidates, the baseline first. */
  readonly models: readonly string[];
  /** Cost of each as a share of the baseline's. */
  readonly costs: readonly number[];
  /** The mean loss of quality that is allowed. */
  readonly alpha: number;
  readonly seed: number;
}

/** Learns a policy from kept labels; those that lack one of the models are left out (`policy.labels` counts the others). Takes seconds: never on a loop that others wait for. */
export function trainRoute({ labels, models, costs, alpha, seed }: ToTrain): Policy {
  const known = labels.flatMap((bytes) => {
    const label = unpackLabel(bytes);
    const ordered = label === null ? null : inOrder(label, models);
    return ordered === null ? [] : [ordered];
  });
  return trainPolicy(known, { models, costs, alpha }, seededRng(seed));
}

/** What a request of three parts input and one part output costs on each model, as a share of the first one's; or the name of one without a price. */
export function costShares(book: PriceBook, models: readonly string[], atMs: number): readonly number[] | { readonly unpriced: string } {
  const usage = { ...NO_USAGE, input: 750, output: 250 };
  const costs: number[] = [];
  for (const name of models) {
    const first = resolveModel(book, name)?.candidates[0];
    const said = first === undefined ? null : price(book, { ...first, tier: "standard" }, usage, atMs);
    if (said === null || said.unpriced) return { unpriced: name };
    costs.push(Number(said.nano));
  }
  return costs.map((cost) => cost / (costs[0] ?? 1));
}

/** What the thread says when it is done. */
export interface Trained {
  readonly policy: Uint8Array;
  readonly labels: number;
  /** What may be asked before the baseline by now. */
  readonly open: { readonly before: boolean; readonly cascade: boolean };
}

/** Trains in a thread of its own; an aborted signal ends it and rejects. */
export async function trainInThread(work: ToTrain, signal: AbortSignal): Promise<Trained> {
  signal.throwIfAborted();
  const thread = new Worker(new URL("./train-worker.ts", import.meta.url), { name: "route-train", workerData: work });
  const { promise, resolve, reject } = Promise.withResolvers<Trained>();
  const onAbort = (): void => reject(signal.reason);
  thread.once("message", resolve);
  thread.once("error", reject);
  thread.once("exit", (code) => reject(new Error(`the training thread ended with code ${code}`)));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await thread.terminate();
  }
}
