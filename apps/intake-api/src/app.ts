import { newId } from "@slowboat/kernel";
import { Hono } from "hono";
import { backlogWatch } from "./http/backlog.ts";
import { bodyBudget } from "./http/body-budget.ts";
import { bodyRules } from "./http/body-rules.ts";
import type { App, AppDeps, AppEnv, Mount } from "./http/env.ts";
import { errorReply } from "./http/errors.ts";
import { refuseTheRest } from "./http/paths.ts";
import { requestIdHeader } from "./http/surface.ts";
import { budgetRoutes } from "./native/budgets.ts";
import { cacheRoutes } from "./native/cache-routes.ts";
import { quoteRoutes } from "./native/quote/routes.ts";
import { nativeRoutes } from "./native/routes.ts";
import { openaiRoutes } from "./openai/routes.ts";
import { routingRoutes } from "./routing/routes.ts";

/**
 * The intake API as one Hono app: request ids, authentication and the error shapes around the native API, the OpenAI-compatible one
 * and whatever `mounts` add. The APIs are told apart by path.
 */
export function createApp(deps: AppDeps, mounts: readonly Mount[] = []): App {
  const app: App = new Hono<AppEnv>();
  app.onError((thrown, c) => errorReply(thrown, c, deps.logger));
  app.use(async (c, next) => {
    const requestId = newId("request", deps.clock.real(), deps.rng);
    c.set("requestId", requestId);
    c.header(requestIdHeader(c), requestId);
    await next();
  });
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const ready = await deps.store.sql`select 1`.then(
      () => true,
      () => false,
    );
    return c.json({ status: ready ? "ok" : "unavailable" }, ready ? 200 : 503);
  });
  app.use("/v1/*", async (c, next) => {
    const authorization = c.req.header("authorization");
    const bearer = authorization === undefined ? undefined : /^bearer +(\S+)\s*$/i.exec(authorization)?.[1];
    c.set("caller", await deps.verify(bearer ?? c.req.header("x-api-key")));
    await next();
    for (const [name, value] of Object.entries(c.get("limits") ?? {})) c.header(name, value);
  });
  const backlog = backlogWatch({ sql: deps.store.sql, clock: deps.clock }, deps.backlogMax);
  app.on("POST", ["/v1/jobs", "/v1/batches", "/v1/messages/batches"], async (_c, next) => {
    backlog.check();
    await next();
  });
  app.use("/v1/*", bodyRules(bodyBudget()));
  for (const mount of [nativeRoutes, quoteRoutes, budgetRoutes, cacheRoutes, routingRoutes, openaiRoutes, ...mounts]) mount(app, deps);
  refuseTheRest(app);
  return app;
}
