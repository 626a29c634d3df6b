/**
 * The load: `connections` keep-alive sockets, each sending its next request as soon as its answer is whole, in a process of its own so that
 * neither the bench nor what it measures shares a thread with the clock. A message is a `LoadOrder`; the answer is a `LoadReport`.
 */
import { seededRng } from "@slowboat/kernel";
import { Pool } from "undici";
import { chatBodies } from "../lines.ts";
import type { LoadOrder, LoadReport } from "./load.ts";

const TIMEOUT_MS = 30_000;
const SAID_CHARS = 500;
const PATH = "/v1/chat/completions";

async function run({ url, headers, connections, runMs, seed, bodyBytes }: LoadOrder): Promise<LoadReport> {
  const pool = new Pool(url, { connections, pipelining: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const next = chatBodies(seededRng(seed), bodyBytes);
  const latencies: number[] = [];
  let refusal: LoadReport["refusal"] = null;
  let sent = 0;
  // A number in front makes every body of this order another one, whatever text was drawn.
  const fresh = (): string => next().replace('"content":"', `"content":"${seed}.${sent++} `);
  const started = performance.now();
  const caller = async (): Promise<void> => {
    while (refusal === null && performance.now() - started < runMs) {
      const body = fresh();
      const at = performance.now();
      const reply = await pool.request({ path: PATH, method: "POST", headers, body });
      const text = await reply.body.text();
      latencies.push(performance.now() - at);
      if (reply.statusCode !== 200 || !text.includes('"choices"')) refusal ??= { statusCode: reply.statusCode, said: text.slice(0, SAID_CHARS) };
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, caller));
    return { latencies, seconds: (performance.now() - started) / 1000, refusal };
  } finally {
    await pool.close();
  }
}

process.on("message", (order: LoadOrder) => {
  run(order).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ latencies: [], seconds: 0, refusal: { statusCode: 0, said: String(error) } }),
  );
});
for (const event of ["SIGTERM", "disconnect"] as const) process.once(event, () => process.exit(0));
process.send?.({ kind: "ready" });
