import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

/** What a subject was announced with: the events' types, each with the ids under which it came. */
type Heard = Map<string, Set<string>>;

/** A customer's callback address: it fails now and then, and believes only what is signed. */
export interface Receiver {
  readonly address: string;
  readonly url: string;
  readonly heard: ReadonlyMap<string, Heard>;
  /** Deliveries that were not signed with the key's secret, or could not be read. */
  forged(): number;
  close(): Promise<void>;
}

/** Every so many new events are refused once, and as many are left without an answer; both are due to be told again. */
const FAILS = 40;

/** Starts it on a free port. `secret` is the key's. */
export async function startReceiver(secret: string): Promise<Receiver> {
  const webhook = new Webhook(secret);
  const heard = new Map<string, Heard>();
  const met = new Set<string>();
  let forged = 0;
  const server = createServer((req, res) => {
    let text = "";
    req.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    req.on("end", () => {
      const id = String(req.headers["webhook-id"] ?? "");
      const isNew = !met.has(id);
      met.add(id);
      if (isNew && met.size % FAILS === 1) return void res.writeHead(503).end();
      if (isNew && met.size % FAILS === 2) return void req.socket.destroy();
      try {
        const { type, data } = webhook.verify(text, req.headers as Record<string, string>) as { type: string; data: { id: string } };
        const known: Heard = heard.get(data.id) ?? new Map();
        heard.set(data.id, known.set(type, (known.get(type) ?? new Set()).add(id)));
      } catch {
        forged++;
      }
      return void res.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    url: `http://${address}/hook`,
    heard,
    forged: () => forged,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}
