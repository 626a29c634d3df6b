import { createHash } from "node:crypto";
import { Hono } from "hono";
import { openAiRefuses } from "../model/errors.ts";
import { arrayOf, type Json, textOf } from "../model/json.ts";
import { EVENT_TYPES, endpointView, type WebhookEndpoint } from "../model/webhook-endpoint.ts";
import { type Env, type Face, json, parseBody, queryNumber } from "./face.ts";

const DAY_MS = 86_400_000;

/** `/v1/webhook_endpoints…`: where batches announce their end. */
export function webhookRoutes(face: Face): Hono<Env> {
  const { core } = face;
  const { webhookEndpoints } = core.world;
  const app = new Hono<Env>();
  const get = (id: string): WebhookEndpoint => {
    const endpoint = webhookEndpoints.get(id);
    if (endpoint === undefined) throw openAiRefuses(`No webhook endpoint found with id '${id}'.`, null, null, 404);
    return endpoint;
  };
  const keep = (endpoint: WebhookEndpoint): WebhookEndpoint => {
    core.commit({ kind: "webhook-endpoint-set", endpoint });
    return endpoint;
  };
  const newSecret = (): string => `whsec_${createHash("sha256").update(core.serial("secret", 40)).digest("base64")}`;
  app.post("/v1/webhook_endpoints", async (c) => {
    const { name, url, eventTypes } = wishOf(parseBody("openai", await c.req.text()));
    if (name === undefined || url === undefined || eventTypes === undefined)
      throw openAiRefuses("Missing required parameter: one of 'name', 'url' and 'event_types'.", null, "missing_required_parameter");
    const id = `whe_${core.serial("endpoint", 24)}`;
    const made = keep({ id, name, url, eventTypes, createdMs: core.nowMs(), secret: newSecret(), oldSecret: null });
    return json(endpointView(made, true));
  });
  app.get("/v1/webhook_endpoints", (c) => {
    const limit = queryNumber(c, "limit", 20, 100);
    const all = [...webhookEndpoints.values()].reverse();
    const after = c.req.query("after");
    const from = after === undefined ? 0 : all.findIndex((endpoint) => endpoint.id === after) + 1;
    const page = all.slice(from, from + limit);
    const has_more = from + limit < all.length;
    return json({
      object: "list",
      data: page.map((one) => endpointView(one)),
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
      has_more,
    });
  });
  app.get("/v1/webhook_endpoints/:id", (c) => json(endpointView(get(c.req.param("id")))));
  app.post("/v1/webhook_endpoints/:id", async (c) => {
    const before = get(c.req.param("id"));
    const wish = wishOf(parseBody("openai", await c.req.text()));
    const { name = before.name, url = before.url, eventTypes = before.eventTypes } = wish;
    return json(endpointView(keep({ ...before, name, url, eventTypes })));
  });
  app.delete("/v1/webhook_endpoints/:id", (c) => {
    const { id } = get(c.req.param("id"));
    core.commit({ kind: "webhook-endpoint-deleted", id });
    return json({ id, object: "webhook_endpoint.deleted", deleted: true });
  });
  app.post("/v1/webhook_endpoints/:id/rotate_secret", async (c) => {
    const before = get(c.req.param("id"));
    const text = await c.req.text();
    const keepOld = text !== "" && parseBody("openai", text)["keep_old_secret_active_for_24_hours"] === true;
    const oldSecret = keepOld ? { secret: before.secret, untilMs: core.nowMs() + DAY_MS } : null;
    return json(endpointView(keep({ ...before, secret: newSecret(), oldSecret }), true));
  });
  app.post("/v1/webhook_endpoints/:id/test", async (c) => {
    const endpoint = get(c.req.param("id"));
    const type = textOf(parseBody("openai", await c.req.text())["event_type"]);
    checkTypes([type]);
    const event = { id: `evt_${core.serial("event", 24)}`, type, createdMs: core.nowMs(), subjectId: "batch_sample" };
    const status = await face.announcer.send(endpoint, event);
    if (status === null || status < 200 || status > 299)
      throw openAiRefuses(`The endpoint answered ${status ?? "nothing"}.`, "url", "webhook_test_failed");
    return json({ object: "webhook_endpoint.test", event_type: type, success: true, status_code: status, webhook_endpoint_id: endpoint.id });
  });
  return app;
}

function checkTypes(types: readonly unknown[]): string[] {
  const bad = types.find((type) => !EVENT_TYPES.includes(textOf(type)));
  if (types.length === 0 || bad !== undefined)
    throw openAiRefuses(`Invalid value: '${String(bad)}' is no event type.`, "event_types", "invalid_value");
  return types.map((type) => textOf(type));
}

function wishOf(body: Json): { name?: string; url?: string; eventTypes?: string[] } {
  const { name, url, event_types: types } = body as { name?: unknown; url?: unknown; event_types?: unknown };
  if (url !== undefined && !URL.canParse(textOf(url))) throw openAiRefuses("Invalid 'url'.", "url", "invalid_value");
  return {
    ...(name === undefined ? {} : { name: textOf(name) }),
    ...(url === undefined ? {} : { url: textOf(url) }),
    ...(types === undefined ? {} : { eventTypes: checkTypes(arrayOf(types)) }),
  };
}
