import { Hono } from "hono";
import { anthropicRefuses, openAiRefuses, Refusal } from "../model/errors.ts";
import { adminRoutes } from "./admin-routes.ts";
import { anthropicRoutes } from "./anthropic-routes.ts";
import { type Ctx, EMULATED, type Env, type Face, json, refused } from "./face.ts";
import { modelList, openAiRoutes } from "./openai-routes.ts";

/** Which provider a path belongs to; the shared model list goes by the version header. */
function providerOf(c: Ctx): "openai" | "anthropic" {
  if (c.req.path.startsWith("/v1/messages")) return "anthropic";
  return c.req.path.startsWith("/v1/models") && c.req.header("anthropic-version") !== undefined ? "anthropic" : "openai";
}

const keyOf = (c: Ctx): string => /^Bearer\s+(\S+)/i.exec(c.req.header("authorization") ?? "")?.[1] ?? c.req.header("x-api-key") ?? "";

/** Refuses a request without a key, an Anthropic request without a version, and a client request id that OpenAI would refuse. */
function checkHeaders(c: Ctx): void {
  if (c.get("provider") === "anthropic") {
    if (keyOf(c) === "") throw anthropicRefuses("x-api-key header is required", 401);
    if (c.req.header("anthropic-version") === undefined) throw anthropicRefuses("anthropic-version: header is required");
    return;
  }
  if (keyOf(c) === "") {
    throw openAiRefuses(
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
      null,
      "invalid_api_key",
      401,
    );
  }
  const clientId = c.req.header("x-client-request-id") ?? "";
  if (clientId.length > 512 || /[^\x20-\x7e]/.test(clientId)) throw openAiRefuses("Invalid X-Client-Request-Id: at most 512 ASCII characters.");
}

function stamp(c: Ctx, response: Response): Response {
  const { headers } = response;
  const requestId = c.get("requestId");
  headers.set("x-slowboat-emulated", EMULATED);
  if (c.get("provider") === "openai") {
    headers.set("x-request-id", requestId);
    headers.set("openai-version", "2020-10-01");
    headers.set("openai-organization", "org-emulated");
    if (!headers.has("openai-processing-ms")) headers.set("openai-processing-ms", "1");
  } else {
    headers.set("request-id", requestId);
    headers.set("anthropic-organization-id", "00000000-0000-4000-8000-000000000000");
    headers.set("anthropic-workspace-id", "wrkspc_emulated");
  }
  return response;
}

/** Both providers behind one address, told apart by path, and the emulator's own endpoints under `/emulator`. */
export function createApp(face: Face): Hono<Env> {
  const app = new Hono<Env>();
  app.route("/emulator", adminRoutes(face));
  app.use("/v1/*", async (c, next) => {
    const provider = providerOf(c);
    c.set("provider", provider);
    c.set("requestId", provider === "openai" ? `req_${face.core.serial("request", 32)}` : `req_01${face.core.serial("request", 22)}`);
    checkHeaders(c);
    await next();
    stamp(c, c.res);
  });
  app.get("/v1/models", (c) => json(modelList(c.get("provider"))));
  app.get("/v1/models/:id", (c) => {
    const id = c.req.param("id");
    try {
      return json(modelList(c.get("provider"), id));
    } catch (error) {
      if (c.get("provider") === "openai") throw error;
      throw anthropicRefuses(`model: ${id}`, 404);
    }
  });
  app.route("/", openAiRoutes(face));
  app.route("/", anthropicRoutes(face));
  app.notFound((c) =>
    c.get("provider") === "anthropic"
      ? refused(c, anthropicRefuses("Not Found", 404))
      : json({ error: { message: `Invalid URL (${c.req.method} ${c.req.path})`, type: "invalid_request_error", param: null, code: null } }, 404),
  );
  app.onError((error, c) => {
    if (error instanceof Refusal) return stamp(c, refused(c, error));
    process.stderr.write(`emulator: ${error.stack ?? error.message}\n`);
    return json({ error: { message: "The emulator failed on this request.", type: "server_error", param: null, code: "emulator_fault" } }, 500);
  });
  return app;
}
