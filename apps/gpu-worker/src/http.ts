import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { fault, LIMITS } from "@slowboat/kernel";
import type { Logger, Service } from "@slowboat/runtime";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { BatcherStats } from "./micro-batcher.ts";
import { errorAnswer, POOL_MODELS, type PoolAnswer, type PoolApi, type PoolEndpoint } from "./pool-api.ts";

/** What the HTTP face shows. */
export interface HttpDeps {
  readonly answer: PoolApi;
  readonly ready: () => boolean;
  readonly stats: () => BatcherStats;
  readonly logger: Logger;
}

const reply = ({ status, body, fault: cause }: PoolAnswer): Response => {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (cause?.retryable) headers["retry-after"] = "1";
  if (cause && cause.status >= 500) headers["x-should-retry"] = String(cause.retryable);
  // The rest of a refused body is not read: the connection cannot carry another request.
  if (status === 413) headers["connection"] = "close";
  return new Response(body, { status: status as ContentfulStatusCode, headers });
};

/** The pool over HTTP: embeddings and classifications, models, health and figures. Errors have the OpenAI API's shape. */
export function createApp({ answer, ready, stats, logger }: HttpDeps): Hono {
  const app = new Hono();
  const tooLarge = (): Response =>
    reply(errorAnswer(fault("body-too-large", { message: `The request body is over ${LIMITS.requestBodyBytes} bytes.` })));
  for (const endpoint of Object.keys(POOL_MODELS) as PoolEndpoint[]) {
    app.post(endpoint, bodyLimit({ maxSize: LIMITS.requestBodyBytes, onError: tooLarge }), async (c) =>
      reply(await answer({ endpoint, body: await c.req.text() }, c.req.raw.signal)),
    );
    app.all(endpoint, () => reply(errorAnswer(fault("method-not-allowed"))));
  }
  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/readyz", (c) => c.json({ ready: ready() }, ready() ? 200 : 503));
  app.get("/v1/models", (c) => {
    const ids = [...new Set(Object.values(POOL_MODELS).flat())];
    return c.json({ object: "list", data: ids.map((id) => ({ id, object: "model", created: 0, owned_by: "slowboat" })) });
  });
  app.get("/stats", (c) => {
    const { tokensPerSecond, backlogTexts, backlogChars, batches, texts, tokens } = stats();
    const rate = Math.round(tokensPerSecond);
    return c.json({
      object: "pool.stats",
      tokens_per_second: rate,
      backlog_texts: backlogTexts,
      backlog_chars: backlogChars,
      batches,
      texts,
      tokens,
    });
  });
  app.notFound((c) => reply(errorAnswer(fault("not-found", { message: `There is nothing at ${c.req.path}.` }))));
  app.onError((err, c) => {
    // A caller that hung up gets no answer; its abort is not our failure.
    if (!c.req.raw.signal.aborted) logger.error({ err, path: c.req.path }, "request-failed");
    return reply(errorAnswer(fault("internal", { cause: err })));
  });
  return app;
}

/** Serves the app. Port 0 takes a free one; which, the log says. Stop waits for the requests in flight. */
export function createHttpService(app: Hono, address: { readonly host: string; readonly port: number }, logger: Logger): Service {
  let server: Server | null = null;
  return {
    start: async () => {
      server = serve({ fetch: app.fetch, hostname: address.host, port: address.port }) as Server;
      await once(server, "listening");
      logger.info({ host: address.host, port: (server.address() as AddressInfo).port }, "http-listening");
    },
    stop: async () => {
      const running = server;
      server = null;
      if (!running) return;
      const closed = once(running, "close");
      running.close();
      running.closeIdleConnections();
      await closed;
    },
  };
}
