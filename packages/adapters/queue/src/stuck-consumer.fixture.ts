import { createQueue, type QueueOptions } from "./index.ts";

// A consumer that takes a payload and never ends: the test kills it.
const queue = await createQueue(JSON.parse(process.argv[2] ?? "") as QueueOptions);
await queue.consume("populate", 1, async ({ batchId }) => {
  process.send?.(`taken ${batchId}`);
  await new Promise(() => undefined);
});
process.send?.("consuming");
