import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { FoldResult, FoldTask } from "./fold.ts";
import type { FileName } from "./labels.ts";

const MOST = 4;

/** Runs all folds on as many threads as there are cores; a fold's outcome depends on its seed alone, not on who runs it when. */
export async function runFolds(
  tasks: readonly FoldTask[],
  paths: Readonly<Record<FileName, string | null>>,
  say: (text: string) => void,
): Promise<FoldResult[]> {
  const results: FoldResult[] = [];
  const waiting = tasks.values();
  const threads = Math.min(MOST, availableParallelism(), tasks.length);
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL("./fold-worker.ts", import.meta.url), { workerData: { paths } });
      try {
        for (const task of waiting) {
          results.push(await ask(worker, task));
          if (results.length % 10 === 0 || results.length === tasks.length) say(`${results.length} of ${tasks.length} folds, last of ${task.file}`);
        }
      } finally {
        await worker.terminate();
      }
    }),
  );
  return results;
}

function ask(worker: Worker, task: FoldTask): Promise<FoldResult> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.postMessage(task);
  });
}
