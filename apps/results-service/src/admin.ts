import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { getRequestListener } from "@hono/node-server";
import { keyVerifier } from "@slowboat/intake";
import { isFault } from "@slowboat/kernel";
import { waterfallOf } from "@slowboat/pricing";
import type { Clock, Logger, Service } from "@slowboat/runtime";
import { type Overview, readOverview, type Store } from "@slowboat/store";
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";

const PAGES = fileURLToPath(new URL("../../console/dist/", import.meta.url));
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};
const HOUR_MS = 3_600_000;
const ROWS = 50;

/** The parts of the ledger's fold as strings: JSON has no bigint. */
const shown = (overview: Overview) => {
  const fold = waterfallOf(overview.accounts.map((entry) => ({ account: entry.account as never, amountNano: entry.amountNano })));
  return {
    list_nano_usd: fold.listNano.toString(),
    paid_nano_usd: fold.paidNano.toString(),
    lines: fold.lines.map((line) => ({ account: line.account, nano_usd: line.amountNano.toString() })),
  };
};

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
  const verify = keyVerifier({ sql: deps.store.sql, secret: options.secret, clock: deps.clock });
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
  app.get("/admin/v1/overview", async (c) => {
    const caller = await verify(c.req.header("authorization")?.replace(/^Bearer\s+/i, ""));
    const hours = Math.min(24 * 90, Math.max(1, Number(c.req.query("hours")) || 24));
    const nowMs = deps.clock.job();
    const asked = { state: c.req.query("state"), lane: c.req.query("lane"), batchId: c.req.query("batch") };
    const filters = Object.fromEntries(Object.entries(asked).filter(([, word]) => word !== undefined && word !== ""));
    const overview = await deps.store.begin((tx) =>
      readOverview(tx, { tenantId: caller.tenantId, nowMs, sinceMs: nowMs - hours * HOUR_MS, rows: ROWS, ...filters }),
    );
    c.header("cache-control", "no-store");
    return c.json({
      now_ms: nowMs,
      scale: deps.clock.scale,
      hours,
      rows: ROWS,
      tenant: caller.tenantName,
      api_url: options.apiUrl,
      emulated: options.emulated || overview.emulated,
      provider_emulated: options.emulated,
      paid_emulated_nano_usd: overview.paidEmulatedNano.toString(),
      unpriced: overview.unpriced,
      unsettled: overview.unsettled,
      suspense: { attempts: overview.suspense, nano_usd: overview.suspenseNano.toString() },
      deadlines: { with_deadline: overview.withDeadline, met: overview.met, missed: overview.missed, running: overview.running, soon: overview.soon },
      lanes: overview.lanes,
      paid_by_lane: overview.paidByLane.map((row) => ({ lane: row.lane, nano_usd: row.paidNano.toString() })),
      receipt: shown(overview),
      jobs: overview.jobs,
      batches: overview.batches,
    });
  });
  app.get("/*", async (c) => {
    const path = normalize(new URL(c.req.url).pathname).replace(/^(?:\.\.[/\\])+/, "");
    const file = path === "/" || extname(path) === "" ? "index.html" : path;
    const body = await readFile(join(PAGES, file)).catch(() => null);
    if (body === null) return c.text("The console has not been built: run `npm start`, which builds it, or `npx turbo run build`.", 404);
    // The names of built assets hold their hash; the page itself must be asked for again after an update.
    const cacheControl = /^\/?assets\//.test(file) ? "public, max-age=31536000, immutable" : "no-cache";
    return c.body(new Uint8Array(body), 200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "cache-control": cacheControl });
  });
  app.onError((error, c) => {
    if (isFault(error)) return c.json({ type: "about:blank", title: error.message, status: error.status, code: error.code }, error.status as 401);
    deps.logger.error({ err: error }, "admin-failed");
    return c.json({ type: "about:blank", title: "Something went wrong on our side.", status: 500, code: "internal" }, 500);
  });
  return app;
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
