import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the provider got it. */
export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** Answers in the provider's place; called once a request. */
export type Script = (heard: Heard, res: ServerResponse) => void;

/** Stands before a provider, byte for byte, and remembers what went in. */
export interface Relay {
  readonly url: string;
  readonly heard: Heard[];
  /** Answers the next request itself whose method and path, as `GET /v1/models`, match. */
  answerNext(call: RegExp, script: Script): void;
  close(): Promise<void>;
}

/** Opens a relay to the provider at `upstream` on a free port of the loopback. */
export async function openRelay(upstream: string): Promise<Relay> {
  const heard: Heard[] = [];
  const scripts: { call: RegExp; script: Script }[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const one: Heard = { method: req.method ?? "", path: req.url ?? "", headers: req.headers, body: Buffer.concat(chunks) };
      heard.push(one);
      const at = scripts.findIndex((entry) => entry.call.test(`${one.method} ${one.path}`));
      if (at >= 0) scripts.splice(at, 1)[0]?.script(one, res);
      else forward(upstream, one, res);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    answerNext: (call, script) => void scripts.push({ call, script }),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Passes a request on; a connection that breaks on one side is broken on the other. */
function forward(upstream: string, heard: Heard, res: ServerResponse): void {
  const { method, path, headers } = heard;
  const onward = request(`${upstream}${path}`, { method, headers, agent: false }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(res);
    answer.on("error", () => res.destroy());
  });
  onward.on("error", () => res.destroy());
  res.on("close", () => {
    if (!res.writableFinished) onward.destroy();
  });
  onward.end(heard.body);
}
