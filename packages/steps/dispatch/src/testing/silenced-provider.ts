import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** The provider behind a door that takes out of every reply what the enqueued-token limit is. */
export async function silencedProvider(url: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const headers = Object.fromEntries(Object.entries(req.headers).filter(([name]) => !["host", "connection", "content-length"].includes(name)));
      const body = chunks.length === 0 ? {} : { body: Buffer.concat(chunks) };
      fetch(`${url}${req.url}`, { method: req.method ?? "GET", headers: headers as Record<string, string>, ...body })
        .then(async (reply) => {
          const text = (await reply.text()).replace(/ Limit: [\d,]+ enqueued tokens\./, "");
          res.writeHead(reply.status, { "content-type": reply.headers.get("content-type") ?? "application/json" }).end(text);
        })
        .catch(() => res.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
