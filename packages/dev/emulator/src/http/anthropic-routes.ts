import { Hono } from "hono";
import { messageBatchView } from "../model/anthropic-batch.ts";
import { answerMessages, countMessageTokens, messageEvents } from "../model/anthropic-messages.ts";
import { anthropicRefuses } from "../model/errors.ts";
import type { Json } from "../model/json.ts";
import { type Ctx, destroySocket, type Env, type Face, json, parseBody, queryNumber } from "./face.ts";
import { breakingOff } from "./file-routes.ts";
import { generate } from "./generate.ts";
import { faulty, hideNew, meetFault, readAtMs } from "./meet-fault.ts";

const MESSAGE_BYTES = 32 * 1024 * 1024;
const BATCH_BYTES = 256 * 1024 * 1024;

const version = (c: Ctx): string => c.req.header("anthropic-version") ?? "";

function checkSize(c: Ctx, most: number): void {
  if (Number(c.req.header("content-length") ?? 0) > most) throw anthropicRefuses("Request exceeds the maximum size", 413);
}

/** The paths of Anthropic's API: messages, token counts and message batches. */
export function anthropicRoutes(face: Face): Hono<Env> {
  const { core } = face;
  const app = new Hono<Env>();
  app.post("/v1/messages", (c) => {
    checkSize(c, MESSAGE_BYTES);
    return generate(face, c, {
      path: "/v1/messages",
      answer: (asking, body) => answerMessages(asking, body, version(c)),
      stream: (answer, body) => (body["stream"] === true ? messageEvents(answer) : null),
      frame: (payload: Json) => `event: ${String(payload["type"])}\ndata: ${JSON.stringify(payload)}\n\n`,
      closing: "",
    });
  });
  app.post("/v1/messages/count_tokens", async (c) => {
    const { reply } = await meetFault(face, c, { path: c.req.path, model: null, serviceTier: null, stream: false });
    if (reply !== null) return reply;
    return json(countMessageTokens(core.asking({ serial: "" }), parseBody("anthropic", await c.req.text()), version(c)));
  });
  app.route("/", messageBatchRoutes(face));
  return app;
}

function messageBatchRoutes(face: Face): Hono<Env> {
  const { core, messageBatches } = face;
  const app = new Hono<Env>();
  const view = (c: Ctx, batch: Parameters<typeof messageBatchView>[0]): Json =>
    messageBatchView(batch, readAtMs(face, c), new URL(c.req.url).origin, core.behaviour.countersMove);
  const polled = (c: Ctx, batch: Parameters<typeof messageBatchView>[0]): Response => {
    const body = view(c, batch);
    return json(body, 200, body["processing_status"] === "ended" ? {} : { "retry-after": "10" });
  };
  app.use("/v1/messages/batches/*", faulty(face));
  app.post("/v1/messages/batches", async (c) => {
    checkSize(c, BATCH_BYTES);
    const batch = await messageBatches.create(parseBody("anthropic", await c.req.text()), version(c), c.get("effect")?.batch);
    hideNew(face, c, batch.id);
    return json(view(c, batch));
  });
  app.get("/v1/messages/batches", async (c) => {
    const limit = queryNumber(c, "limit", 20, 1_000);
    const ids = [...core.world.messageBatches.keys()].filter((id) => !core.isHidden(id)).reverse();
    const after = c.req.query("after_id");
    const before = c.req.query("before_id");
    const start = after === undefined ? 0 : ids.indexOf(after) + 1;
    const stop = before === undefined ? ids.length : ids.indexOf(before);
    const from = before === undefined ? start : Math.max(start, stop - limit);
    const page = ids.slice(from, Math.min(stop, from + limit));
    const data = (await Promise.all(page.map(messageBatches.look))).map((batch) => view(c, batch));
    const hasMore = before === undefined ? from + limit < ids.length : from > start;
    return json({ data, has_more: hasMore, first_id: page[0] ?? null, last_id: page.at(-1) ?? null });
  });
  app.get("/v1/messages/batches/:id", async (c) => polled(c, await messageBatches.look(c.req.param("id"))));
  app.post("/v1/messages/batches/:id/cancel", async (c) => json(view(c, await messageBatches.cancel(c.req.param("id")))));
  app.delete("/v1/messages/batches/:id", async (c) => {
    const id = c.req.param("id");
    await messageBatches.delete(id);
    return json({ id, type: "message_batch_deleted" });
  });
  app.get("/v1/messages/batches/:id/results", async (c) => {
    const rows = await messageBatches.results(c.req.param("id"));
    const cut = c.get("effect")?.cutShare;
    const sent =
      cut === undefined ? rows : breakingOff(rows, Math.floor(core.keep.bytes(`${c.req.param("id")}.results`) * cut), () => void destroySocket(c));
    return new Response(ReadableStream.from(sent) as ReadableStream<Uint8Array>, { headers: { "content-type": "application/x-jsonl" } });
  });
  return app;
}
