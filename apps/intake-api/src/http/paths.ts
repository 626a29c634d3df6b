import { fault } from "@slowboat/kernel";
import type { App } from "./env.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/** Answers what no route took: 405 with the allowed methods where the path exists, else 404. Call it after every route was added. */
export function refuseTheRest(app: App): void {
  const known = app.routes
    .filter((route) => (METHODS as readonly string[]).includes(route.method))
    .map((route) => ({ method: route.method, shape: shapeOf(route.path) }));
  app.notFound((c) => {
    const allowed = [...new Set(known.filter((route) => route.shape.test(c.req.path)).map((route) => route.method))];
    if (allowed.length === 0) throw fault("not-found", { message: `Unknown request URL: ${c.req.method} ${c.req.path.slice(0, 200)}.` });
    c.header("allow", allowed.join(", "));
    throw fault("method-not-allowed", { message: `${c.req.method} is not allowed here; allowed: ${allowed.join(", ")}.` });
  });
}

const shapeOf = (path: string): RegExp =>
  new RegExp(
    `^${path
      .split("/")
      .map((part) => (part.startsWith(":") ? "[^/]+" : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")))
      .join("/")}$`,
  );
