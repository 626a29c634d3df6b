import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { getRequestListener } from "@hono/node-server";
import { keyVerifier } from "@slowboat/intake";
import { isFault } from "@slowboat/kernel";
import type { Clock, Logger, Service } from "@slowboat/runtime";
import type { Store } from "@slowboat/store";
import { type Context, Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { batchPanel, jobPanel } from "./console/details.ts";
import { overviewReader } from "./console/overview.ts";

const PAGES = fileURLToPath(new URL("../../console/dist/", import.meta.url));
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};
const NO_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<title>Not found · Slowboat</title>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 32em; margin: 20vh auto; padding: 0 20px">
<h1 style="font-size: 1.4em">There is no page here</h1>
<p>The console has one page: <a href="/">jobs, lanes and receipt</a>.</p>
</body>
</html>
`;

interface AdminDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface AdminOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  /** True where the providers are the emulator. */
  readonly emulated: boolean;
  /** Where the intake API listens, for the commands that the empty page shows; `null` when not known. */
  readonly apiUrl: string | null;
}

function createApp(deps: AdminDeps, options: AdminOptions): Hono {
  const app = new Hono();
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'self'"], styleSrc: ["'self'", "'unsafe-inline'"], imgSrc: ["'self'", "data:"], connectSrc: ["'self'"] },
    }),
  );
  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/readyz", async (c) => {
    await deps.store.sql`select 1`;
    return c.json({ ok: true });
  });
  consoleData(app, deps, options);
  app.get("/admin/*", (c) => c.json({ type: "about:blank", title: "There is nothing at this path.", status: 404, code: "not-found" }, 404));
  app.get("/*", (c) => servePage(c));
  app.onError((error, c) => {
    if (isFault(error)) return c.json({ type: "about:blank", title: error.message, status: error.status, code: error.code }, error.status as 401);
    deps.logger.error({ err: error }, "admin-failed");
    return c.json({ type: "about:blank", title: "Something went wrong on our side.", status: 500, code: "internal" }, 500);
  });
  return app;
}

/** What the console's page asks for, each for the tenant of the key that asks. */
function consoleData(app: Hono, deps: AdminDeps, options: AdminOptions): void {
  const verify = keyVerifier({ sql: deps.store.sql, secret: options.secret, clock: deps.clock });
  const caller = (c: Context) => verify(c.req.header("authorization")?.replace(/^Bearer\s+/i, ""));
  const overview = overviewReader(deps);
  app.use("/admin/*", async (c, next) => {
    c.header("cache-control", "no-store");
    await next();
  });
  app.get("/admin/v1/overview", async (c) => {
    const { tenantId, tenantName } = await caller(c);
    const asked = { window: c.req.query("window"), state: c.req.query("state"), lane: c.req.query("lane"), batchId: c.req.query("batch") };
    const { emulated, ...page } = await overview({ tenantId, ...asked });
    return c.json({
      ...page,
      tenant: tenantName,
      api_url: options.apiUrl,
      emulated: options.emulated || emulated,
      provider_emulated: options.emulated,
    });
  });
  app.get("/admin/v1/jobs/:id", async (c) => {
    const { tenantId } = await caller(c);
    return c.json(await jobPanel(deps.store.sql, { tenantId, id: c.req.param("id") }));
  });
  app.get("/admin/v1/batches/:id", async (c) => {
    const { tenantId } = await caller(c);
    return c.json(await batchPanel(deps.store.sql, { tenantId, id: c.req.param("id") }));
  });
}

/** Serves the page at `/` and its built assets; every other path is not there, and says so. */
async function servePage(c: Context): Promise<Response> {
  const path = normalize(new URL(c.req.url).pathname);
  const file = path === "/" || path === "/index.html" ? "/index.html" : path;
  const body = await readFile(join(PAGES, file)).catch(() => null);
  if (body === null && file === "/index.html")
    return c.text("The console has not been built: run `npm start`, which builds it, or `npx turbo run build`.", 503);
  if (body === null) return c.html(NO_PAGE, 404, { "cache-control": "no-store" });
  // The names of built assets hold their hash; the page itself must be asked for again after an update.
  const cacheControl = file.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
  return c.body(new Uint8Array(body), 200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "cache-control": cacheControl });
}

/** The console's pages and what they read, on a port of their own. Every figure belongs to the tenant of the key that asks. */
export function createAdmin(deps: AdminDeps, options: AdminOptions): Service {
  let server: Server | null = null;
  return {
    start: async () => {
      server = createServer(getRequestListener(createApp(deps, options).fetch));
      await new Promise<void>((resolve, reject) => server?.once("error", reject).listen(options.port, options.host, resolve));
      deps.logger.info({ host: options.host, port: options.port }, "console-listening");
    },
    stop: async () => {
      server?.closeAllConnections();
      await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
      server = null;
    },
  };
}
