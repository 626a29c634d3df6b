import { parentPort, workerData } from "node:worker_threads";
import { packed } from "@slowboat/store";
import { type ToTrain, type Trained, trainRoute } from "./train-route.ts";

/** The thread that trains: one policy, told as bytes, and it ends. */
const policy = trainRoute(workerData as ToTrain);
parentPort?.postMessage({
  policy: packed(policy),
  labels: policy.labels,
  open: { before: policy.guard.lambda !== null, cascade: policy.acceptor !== null && policy.accept.threshold < Number.POSITIVE_INFINITY },
} satisfies Trained);
