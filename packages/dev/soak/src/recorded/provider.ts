import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createBatches } from "./batches.ts";
import * as fixture from "./fixtures.ts";
import { createBill, type Question, recordedAnswer } from "./replay.ts";

/** A provider that says what was recorded. Its admin endpoints are those of the emulator that an audit asks: `/emulator/invoice` and `/emulator/faults`. */
export interface RecordedProvider {
  /** Its origin; OpenAI clients take `${url}/v1`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** One call in so many fails, with the recorded failures in turn. */
const FAILS = 41;
/** One call in so many that asked for the flex tier is served, and charged, at the standard one. */
const STANDARD_TIER = 5;
const BODY_BYTES = 64 * 1024 * 1024;
const CALLS = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"];

/** Starts it on a free port of 127.0.0.1. `nowMs` is job time. */
export async function startRecordedProvider(nowMs: () => number): Promise<RecordedProvider> {
  const bill = createBill();
  const batches = createBatches(bill, nowMs);
  const fired: Record<string, number> = {};
  let calls = 0;
  let turn = 0;

  const call = (path: string, question: Question, clientId: string | null, res: ServerResponse): void => {
    const family = path === "/v1/messages" ? "anthropic" : "openai";
    if (++calls % FAILS === 0) {
      const failure = fixture.FAILURES[family][turn++ % 3] as fixture.Refusal;
      fired[`recorded ${family} ${failure.name}`] = (fired[`recorded ${family} ${failure.name}`] ?? 0) + 1;
      res.writeHead(failure.status, failure.headers).end(failure.body);
      return;
    }
    const answer = recordedAnswer(path, question, calls % STANDARD_TIER === 0 ? "call" : "flex");
    if (answer.nanoUsd !== null) bill.charge({ clientRequestId: clientId, customId: null, batchId: null, nanoUsd: answer.nanoUsd });
    const id = family === "anthropic" ? { "request-id": "req_011CSHoEeqs5C35K2UUqR7Fy" } : { "x-request-id": "req_9ad1cafebabe" };
    if (answer.events === null) res.writeHead(answer.status, { "content-type": "application/json", ...id }).end(answer.body);
    else {
      res.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", ...id });
      for (const event of answer.events) res.write(event);
      res.end();
    }
  };

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { pathname } = new URL(req.url ?? "/", "http://provider");
    const text = await readAll(req);
    const clientId = String(req.headers["x-client-request-id"] ?? "") || null;
    const json = (value: unknown, status = 200): void =>
      void res.writeHead(status, { "content-type": "application/json" }).end(typeof value === "string" ? value : JSON.stringify(value));
    if (pathname === "/emulator/invoice") return json(bill.invoice());
    if (pathname === "/emulator/faults") return json({ faults: [], fired, lostReplies: 0 });
    if (req.method === "POST" && CALLS.includes(pathname)) return call(pathname, JSON.parse(text) as Question, clientId, res);
    const reply = batches.handle({ method: req.method ?? "GET", path: pathname, text, contentType: String(req.headers["content-type"] ?? "") });
    if (reply === null)
      return json(
        { error: { message: `Nothing was recorded of ${req.method} ${pathname}.`, type: "invalid_request_error", param: null, code: null } },
        404,
      );
    if (reply.lines === undefined) return json(reply.body, reply.status ?? 200);
    res.writeHead(200, { "content-type": "application/octet-stream" });
    for (const line of reply.lines) res.write(`${line}\n`);
    res.end();
  };

  const server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) =>
      res.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: String(error) } })),
    );
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function readAll(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES) throw new Error(`a body of more than ${BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
