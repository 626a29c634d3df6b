import { Hono } from "hono";
import { MODELS, modelOf } from "../model/catalog.ts";
import { openAiRefuses } from "../model/errors.ts";
import type { Json } from "../model/json.ts";
import { batchView } from "../model/openai-batch.ts";
import { OPENAI_ENDPOINTS } from "../model/openai-endpoints.ts";
import { type Env, type Face, json, parseBody, queryNumber } from "./face.ts";
import { fileRoutes } from "./file-routes.ts";
import { generate } from "./generate.ts";
import { faulty, hideNew, readAtMs } from "./meet-fault.ts";
import { webhookRoutes } from "./webhook-routes.ts";

const frame = (payload: Json): string => {
  const type = payload["type"];
  const named = typeof type === "string" && (type === "error" || type.startsWith("response.")) ? `event: ${type}\n` : "";
  return `${named}data: ${JSON.stringify(payload)}\n\n`;
};

/** The paths of OpenAI's API: generating endpoints, models, files and batches. */
export function openAiRoutes(face: Face): Hono<Env> {
  const app = new Hono<Env>();
  for (const [path, endpoint] of Object.entries(OPENAI_ENDPOINTS)) {
    app.post(path, (c) =>
      generate(face, c, {
        path,
        answer: endpoint.answer,
        stream: (answer, body) => (body["stream"] === true && endpoint.stream !== null ? endpoint.stream(answer, body) : null),
        frame,
        closing: path === "/v1/responses" ? "" : "data: [DONE]\n\n",
      }),
    );
  }
  app.route("/", fileRoutes(face));
  app.route("/", batchRoutes(face));
  app.route("/", webhookRoutes(face));
  return app;
}

/** The model list of either provider, in its own form. */
export function modelList(provider: "openai" | "anthropic", id?: string): Json {
  const view = (name: string): Json => {
    const facts = MODELS[name];
    const created = facts?.created ?? 0;
    return provider === "openai"
      ? { id: name, object: "model", created, owned_by: "emulated" }
      : {
          type: "model",
          id: name,
          display_name: name,
          created_at: new Date(created * 1000).toISOString(),
          max_input_tokens: facts?.contextTokens ?? null,
          max_tokens: facts?.maxOutputTokens ?? null,
          capabilities: null,
          lifecycle: "active",
          line: /^claude-([a-z]+)-/.exec(name)?.[1] ?? null,
          deprecated_at: null,
          retires_at: null,
        };
  };
  if (id !== undefined) {
    if (modelOf(provider, id) === undefined) throw openAiRefuses(`The model '${id}' does not exist`, "model", "model_not_found", 404);
    return view(id);
  }
  const names = Object.keys(MODELS).filter((name) => modelOf(provider, name) !== undefined);
  const data = names.map(view);
  return provider === "openai" ? { object: "list", data } : { data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null };
}

function batchRoutes(face: Face): Hono<Env> {
  const { core, openAiBatches } = face;
  const app = new Hono<Env>();
  app.use("/v1/batches/*", faulty(face));
  app.post("/v1/batches", async (c) => {
    const batch = openAiBatches.create(parseBody("openai", await c.req.text()), c.get("effect")?.batch);
    hideNew(face, c, batch.id);
    return json(batchView(batch, core.nowMs()));
  });
  app.get("/v1/batches", async (c) => {
    const limit = queryNumber(c, "limit", 20, 100);
    const ids = [...core.world.batches.keys()].filter((id) => !core.isHidden(id)).reverse();
    const after = c.req.query("after");
    const from = after === undefined ? 0 : ids.indexOf(after) + 1;
    if (after !== undefined && from === 0) throw openAiRefuses(`No batch found with id '${after}'.`, "after", null, 404);
    const page = ids.slice(from, from + limit);
    const batches = await Promise.all(page.map(openAiBatches.look));
    const data = batches.map((batch) => batchView(batch, core.nowMs()));
    return json({ object: "list", data, first_id: page[0] ?? null, last_id: page.at(-1) ?? null, has_more: from + limit < ids.length });
  });
  app.get("/v1/batches/:id", async (c) => json(batchView(await openAiBatches.look(c.req.param("id")), readAtMs(face, c))));
  app.post("/v1/batches/:id/cancel", async (c) => json(batchView(await openAiBatches.cancel(c.req.param("id")), core.nowMs())));
  return app;
}
