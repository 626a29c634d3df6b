import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

/** A webhook as it arrived. */
interface Arrived {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Receives webhooks on loopback, as a customer would. */
export interface Receiver {
  readonly address: string;
  readonly url: string;
  /** Resolves when `count` webhooks have arrived since the last `take`; throws after `timeoutMs`. */
  until(count: number, timeoutMs: number): Promise<void>;
  /** Checks the signature of everything that arrived and gives back the ids that the events speak of, with their types. */
  take(secret: string): { readonly subjectId: string; readonly type: string }[];
  close(): Promise<void>;
}

/** Starts the receiver on a free port. */
export async function startReceiver(): Promise<Receiver> {
  let arrived: Arrived[] = [];
  let notify = (): void => undefined;
  const server = createServer((req, res) => {
    let text = "";
    req.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    req.on("end", () => {
      arrived.push({ headers: req.headers, text });
      res.writeHead(204).end();
      notify();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    url: `http://${address}/hook`,
    until: (count, timeoutMs) =>
      new Promise((done, failed) => {
        const timer = setTimeout(() => failed(new Error(`${arrived.length} of ${count} webhooks came within ${timeoutMs} ms`)), timeoutMs);
        notify = () => {
          if (arrived.length < count) return;
          clearTimeout(timer);
          done();
        };
        notify();
      }),
    take: (secret) => {
      const webhook = new Webhook(secret);
      const events = arrived.map(({ headers, text }) => {
        const event = webhook.verify(text, headers as Record<string, string>) as { type: string; data: { id: string } };
        return { subjectId: event.data.id, type: event.type };
      });
      arrived = [];
      return events;
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
