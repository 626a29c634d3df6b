import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** One webhook as it arrived. */
export interface Delivery {
  readonly webhookId: string;
  readonly type: string;
  readonly subjectId: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
}

/** A callback address on this machine that answers 200 and remembers. */
export interface Receiver {
  readonly hostPort: string;
  readonly url: string;
  readonly deliveries: readonly Delivery[];
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const deliveries: Delivery[] = [];
  const server = createServer((req, res) => {
    let body = "";
    req.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    req.on("end", () => {
      const { type, data } = JSON.parse(body) as { type: string; data: { id: string } };
      const header = (name: string): string => String(req.headers[name] ?? "");
      deliveries.push({
        webhookId: header("webhook-id"),
        type,
        subjectId: data.id,
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
      });
      res.writeHead(200).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const hostPort = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    hostPort,
    url: `http://${hostPort}/hook`,
    deliveries,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

/** Whether a delivery carries the signature of `secret`, by the text of the Standard Webhooks specification. */
export function isSigned(delivery: Delivery, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = `v1,${createHmac("sha256", key).update(`${delivery.webhookId}.${delivery.timestamp}.${delivery.body}`).digest("base64")}`;
  return delivery.signature.split(" ").some((one) => one.length === expected.length && timingSafeEqual(Buffer.from(one), Buffer.from(expected)));
}
