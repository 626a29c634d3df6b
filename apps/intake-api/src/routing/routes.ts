import { isAlias, type ModelRule, storedModelRule } from "@slowboat/contract";
import { chooseModel, ruledOut } from "@slowboat/intake";
import { fault } from "@slowboat/kernel";
import type { PriceBook } from "@slowboat/pricing";
import { countOpenPairs, deleteRoute, listRoutes, type RouteRow, setRoute } from "@slowboat/store";
import type { Context } from "hono";
import type { AppEnv, Mount } from "../http/env.ts";
import { readJsonBody } from "../interactive/read-body.ts";

const CANDIDATES_MAX = 8;
const QUALITY = 0.98;
/** Share of an alias's requests whose other candidates are asked as well, where nothing is said, and at most. */
const SHADOW = 0.03;
const SHADOW_MAX = 0.2;
const ALIASES_MAX = 100;

/** A tenant's routed aliases: set, listed, taken away. */
export const routingRoutes: Mount = (app, deps) => {
  app.get("/v1/routes", async (c) => {
    const { tenantId } = c.get("caller");
    const [rows, open] = await Promise.all([listRoutes(deps.store.sql, tenantId), countOpenPairs(deps.store.sql, tenantId)]);
    return c.json({ object: "list", data: rows.map((row) => routeObject(row, open.get(row.alias) ?? 0)) });
  });

  app.put("/v1/routes/:alias", async (c) => {
    const { tenantId, models } = c.get("caller");
    const alias = aliasOfPath(c);
    const wish = readRoute({ book: deps.book, rule: storedModelRule(models) }, (await readJsonBody(c)).value);
    const known = await listRoutes(deps.store.sql, tenantId);
    if (known.length >= ALIASES_MAX && !known.some((row) => row.alias === alias))
      throw fault("invalid-request", { message: `A tenant may have ${ALIASES_MAX} aliases; take one away first.` });
    const row = await deps.store.begin((tx) => setRoute(tx, { tenantId, alias, ...wish, nowMs: deps.clock.job() }));
    deps.routes.forget(tenantId);
    return c.json(routeObject(row, (await countOpenPairs(deps.store.sql, tenantId)).get(alias) ?? 0));
  });

  app.delete("/v1/routes/:alias", async (c) => {
    const { tenantId } = c.get("caller");
    const alias = aliasOfPath(c);
    if (!(await deps.store.begin((tx) => deleteRoute(tx, { tenantId, alias }))))
      throw fault("not-found", { message: `There is no alias '${alias}'.` });
    deps.routes.forget(tenantId);
    return c.json({ id: alias, object: "route", deleted: true });
  });
};

function aliasOfPath(c: Context<AppEnv>): string {
  const alias = c.req.param("alias") ?? "";
  if (isAlias(alias)) return alias;
  throw fault("invalid-request", {
    param: "alias",
    message: "An alias has 1 to 64 small letters, digits, dots, dashes and underscores, a letter or digit first.",
  });
}

/** What an alias is to be; `candidates` as JSON. */
interface RouteWish {
  readonly candidates: string;
  readonly baseline: string;
  readonly quality: number;
  readonly shadow: number;
  readonly judge: string | null;
}

/** Reads what an alias is to be; every model must be known, and the baseline is one of the candidates or is added to them. */
function readRoute(
  { book, rule }: { readonly book: PriceBook; readonly rule: ModelRule | null },
  value: Readonly<Record<string, unknown>>,
): RouteWish {
  const { candidates, baseline, quality = QUALITY, shadow = SHADOW, judge = null } = value;
  const isNames = Array.isArray(candidates) && candidates.every((one) => typeof one === "string");
  if (!isNames || candidates.length === 0 || candidates.length > CANDIDATES_MAX)
    throw fault("invalid-request", { param: "candidates", message: `'candidates' must be a list of 1 to ${CANDIDATES_MAX} model names.` });
  if (typeof baseline !== "string")
    throw fault("missing-parameter", { param: "baseline", message: "'baseline' must name the model that is the measure." });
  if (typeof quality !== "number" || !(quality >= 0.5 && quality <= 0.999))
    throw fault("invalid-request", { param: "quality", message: "'quality' must be a share of the baseline's quality, 0.5 to 0.999." });
  if (typeof shadow !== "number" || !(shadow >= 0 && shadow <= SHADOW_MAX))
    throw fault("invalid-request", {
      param: "shadow",
      message: `'shadow' must be the share of requests whose other candidates are asked as well, 0 (off) to ${SHADOW_MAX}.`,
    });
  if (judge !== null && typeof judge !== "string")
    throw fault("invalid-request", { param: "judge", message: "'judge' must name the model that compares answers, or be null." });
  const names = [...new Set([baseline, ...(candidates as string[])])];
  for (const name of names) {
    const param = name === baseline ? "baseline" : "candidates";
    knownWords(book, name, param);
    const ruled = ruledOut(book, rule, name);
    if (ruled !== null)
      throw fault("invalid-request", {
        param,
        message: `'${name}' cannot be asked (${ruled}): leave it out, or have it allowed: npx slowboat tenants set.`,
      });
  }
  if (judge !== null) knownWords(book, judge, "judge");
  return { candidates: JSON.stringify(names), baseline, quality, shadow, judge };
}

/** A model with a price that answers in words; without a price nothing can be said to be saved. */
function knownWords(book: PriceBook, name: string, param: string): void {
  const endpoint = book.names.get(name)?.endpoints.find((one) => one === "/v1/chat/completions" || one === "/v1/messages" || one === "/v1/responses");
  chooseModel(book, { name, endpoint: endpoint ?? "/v1/chat/completions", allowUnpriced: false, param });
}

const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const routeObject = (row: RouteRow, openPairs: number): Record<string, unknown> => ({
  id: row.alias,
  object: "route",
  model: row.alias === "default" ? "auto" : `auto:${row.alias}`,
  candidates: JSON.parse(row.candidates) as string[],
  baseline: row.baseline,
  quality: row.quality,
  shadow: row.shadow,
  judge: row.judge,
  policy_version: row.policyVersion,
  labels: row.labels,
  fresh_labels: row.fresh,
  pairs_open: openPairs,
  trained_at: instant(row.trainedAtMs),
  drifted_at: instant(row.driftedAtMs),
});
