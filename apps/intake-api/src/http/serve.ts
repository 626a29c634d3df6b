import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Logger, Service } from "@slowboat/runtime";
import type { App } from "./env.ts";
import { refuseUnreadable, unreadableReply } from "./unreadable.ts";

/** Headers must come within this time; a body may take as long as it keeps arriving, and its readers bound the silence. */
const HEADERS_MS = 30_000;
const BODY_MS = 3_600_000;
const KEEP_ALIVE_MS = 65_000;
const DRAIN_MS = 8_000;

/** The app behind a socket. `stop` lets calls in flight end for eight seconds, then cuts what is left. */
export function httpService(
  app: App,
  options: { readonly host: string; readonly port: number; readonly logger: Logger },
): Service & { address(): AddressInfo } {
  const server: Server = createServer(
    // A missing Host is refused where everything is, in JSON.
    { headersTimeout: HEADERS_MS, requestTimeout: BODY_MS, keepAliveTimeout: KEEP_ALIVE_MS, requireHostHeader: false },
    getRequestListener(app.fetch, { errorHandler: unreadableReply(options.logger) }),
  );
  refuseUnreadable(server);
  return {
    address: () => server.address() as AddressInfo,
    start: async () => {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(options.port, options.host, resolve);
      });
      options.logger.info({ host: options.host, port: (server.address() as AddressInfo).port }, "api-listening");
    },
    stop: async () => {
      if (!server.listening) return;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}
