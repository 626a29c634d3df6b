/**
 * The load: `connections` keep-alive sockets, each sending its next request as soon as its answer is whole, in a process of its own so that
 * neither the bench nor what it measures shares a thread with the clock. It speaks as little HTTP as it needs, so that on a small machine it
 * takes little from what is measured. A message is a `LoadOrder`; the answer is a `LoadReport`.
 */
import { connect, type Socket } from "node:net";
import { seededRng } from "@slowboat/kernel";
import { chatBodies } from "../lines.ts";
import type { LoadOrder, LoadReport } from "./load.ts";

const TIMEOUT_MS = 30_000;
const SAID_CHARS = 500;
const END_OF_HEAD = "\r\n\r\n";
const LAST_CHUNK = "\r\n0\r\n\r\n";

interface Answer {
  readonly statusCode: number;
  readonly text: string;
}

/** The answer at the start of `held` once it is whole; a chunked body keeps its chunk sizes. */
function answerIn(held: Buffer): Answer | null {
  const endOfHead = held.indexOf(END_OF_HEAD);
  if (endOfHead < 0) return null;
  const head = held.toString("latin1", 0, endOfHead);
  const start = endOfHead + END_OF_HEAD.length;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const whole = length === undefined ? held.includes(LAST_CHUNK, endOfHead) : held.length >= start + Number(length);
  return whole ? { statusCode: Number(head.slice(9, 12)), text: held.toString("latin1", start) } : null;
}

/** Sends one request after another on a socket of its own until `more` says no. */
function caller(order: LoadOrder, more: () => boolean, next: () => string, told: (ms: number, answer: Answer) => void): Promise<void> {
  const { hostname, port, host } = new URL(order.url);
  const headers = Object.entries(order.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\n${headers.join("")}content-length: `;
  return new Promise((done, failed) => {
    const socket: Socket = connect(Number(port), hostname);
    socket.setNoDelay(true).setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    let held: Buffer = Buffer.alloc(0);
    let at = 0;
    const send = (): void => {
      if (!more()) {
        socket.removeAllListeners("close").destroy();
        done();
        return;
      }
      const body = next();
      at = performance.now();
      socket.write(`${head}${body.length}${END_OF_HEAD}${body}`, "latin1");
    };
    socket.once("connect", send).on("error", failed);
    socket.on("close", () => failed(new Error("the connection was closed before its answer was whole")));
    socket.on("data", (chunk) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const answer = answerIn(held);
      if (answer === null) return;
      told(performance.now() - at, answer);
      held = Buffer.alloc(0);
      send();
    });
  });
}

async function run(order: LoadOrder): Promise<LoadReport> {
  const draw = chatBodies(seededRng(order.seed), order.bodyBytes);
  const latencies: number[] = [];
  let refusal: LoadReport["refusal"] = null;
  let sent = 0;
  // A number in front makes every body of this order another one, whatever text was drawn.
  const next = (): string => draw().replace('"content":"', `"content":"${order.seed}.${sent++} `);
  const told = (ms: number, { statusCode, text }: Answer): void => {
    latencies.push(ms);
    if (statusCode !== 200 || !text.includes('"choices"')) refusal ??= { statusCode, said: text.slice(0, SAID_CHARS) };
  };
  const started = performance.now();
  const more = (): boolean => refusal === null && performance.now() - started < order.runMs;
  await Promise.all(Array.from({ length: order.connections }, () => caller(order, more, next, told)));
  return { latencies, seconds: (performance.now() - started) / 1000, refusal };
}

process.on("message", (order: LoadOrder) => {
  run(order).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ latencies: [], seconds: 0, refusal: { statusCode: 0, said: String(error) } }),
  );
});
for (const event of ["SIGTERM", "disconnect"] as const) process.once(event, () => process.exit(0));
process.send?.({ kind: "ready" });
