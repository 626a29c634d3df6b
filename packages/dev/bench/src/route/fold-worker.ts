import { parentPort, workerData } from "node:worker_threads";
import { type FoldTask, runFold } from "./fold.ts";
import { type FileName, type Labels, readLabels } from "./labels.ts";

/** A worker of the bench: reads a file's labels once and works through folds as they come. */
const { paths } = workerData as { readonly paths: Readonly<Record<FileName, string | null>> };
const read = new Map<FileName, Labels>();

parentPort?.on("message", (task: FoldTask) => {
  let labels = read.get(task.file);
  if (labels === undefined) {
    labels = readLabels(paths[task.file] ?? "", task.file);
    read.clear();
    read.set(task.file, labels);
  }
  parentPort?.postMessage(runFold(labels, task));
});
