import { Hono } from "hono";
import { openAiRefuses } from "../model/errors.ts";
import type { Json } from "../model/json.ts";
import { WINDOW_MS } from "../model/turnaround.ts";
import { isLive, isRead, type StoredFile } from "../model/world.ts";
import { destroySocket, type Env, type Face, json, queryNumber } from "./face.ts";
import { faulty, hideNew } from "./meet-fault.ts";
import { readUpload, type Upload } from "./multipart.ts";

const MAX_BYTES = 512_000_000;
const BATCH_KEPT_MS = 30 * WINDOW_MS;
const PURPOSES = new Set(["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]);

const view = (file: StoredFile): Json => ({
  id: file.id,
  object: "file",
  bytes: file.bytes,
  created_at: Math.floor(file.createdMs / 1000),
  expires_at: file.expiresMs === null ? null : Math.floor(file.expiresMs / 1000),
  filename: file.filename,
  purpose: file.purpose,
  status: "processed",
  status_details: null,
});

/** `POST|GET|DELETE /v1/files…`: uploads are streamed to their place, contents streamed from it. */
export function fileRoutes(face: Face): Hono<Env> {
  const { core } = face;
  const { world, keep } = core;
  const app = new Hono<Env>();
  const live = (id: string): StoredFile => {
    const file = world.files.get(id);
    if (file === undefined || !isLive(file, core.nowMs()) || core.isHidden(id)) throw openAiRefuses(`No such File object: ${id}`, "id", null, 404);
    return file;
  };
  app.use("/v1/files/*", faulty(face));
  app.post("/v1/files", async (c) => {
    const id = `file-${core.serial("file", 22)}`;
    try {
      const upload = await readUpload(c.req.raw, keep.writer(id), MAX_BYTES);
      const file = checkUpload(upload, id, core.nowMs());
      core.commit({ kind: "file-stored", file });
      hideNew(face, c, id);
      return json(view(file));
    } catch (error) {
      keep.remove(id);
      throw error;
    }
  });
  app.get("/v1/files", (c) => {
    const limit = queryNumber(c, "limit", 10_000, 10_000);
    const purpose = c.req.query("purpose");
    const nowMs = core.nowMs();
    const files = [...world.files.values()].filter(
      (file) => (purpose ?? file.purpose) === file.purpose && isLive(file, nowMs) && !core.isHidden(file.id),
    );
    // They are kept in the order of their creation, also those of one millisecond.
    if (c.req.query("order") !== "asc") files.reverse();
    const after = c.req.query("after");
    const from = after === undefined ? 0 : files.findIndex((file) => file.id === after) + 1;
    const page = files.slice(from, from + limit);
    return json({
      object: "list",
      data: page.map(view),
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
      has_more: from + limit < files.length,
    });
  });
  app.get("/v1/files/:id", (c) => json(view(live(c.req.param("id")))));
  app.delete("/v1/files/:id", (c) => {
    const { id } = live(c.req.param("id"));
    core.commit({ kind: "file-deleted", id, atMs: core.nowMs() });
    if (!isRead(world, id)) keep.remove(id);
    return json({ id, object: "file", deleted: true });
  });
  app.get("/v1/files/:id/content", (c) => {
    const file = live(c.req.param("id"));
    const cut = c.get("effect")?.cutShare;
    const content =
      cut === undefined ? keep.read(file.id) : breakingOff(keep.read(file.id), Math.floor(file.bytes * cut), () => void destroySocket(c));
    const source = ReadableStream.from(content) as ReadableStream<Uint8Array>;
    return new Response(source, {
      headers: {
        "content-type": "application/octet-stream",
        "content-length": String(file.bytes),
        "content-disposition": `attachment; filename="${encodeURIComponent(file.filename)}"`,
      },
    });
  });
  return app;
}

/** The first so many bytes, and then `broken` is called, which should break the connection. */
export async function* breakingOff(chunks: AsyncIterable<Uint8Array>, bytes: number, broken: () => void): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const chunk of chunks) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) break;
  }
  broken();
}

function checkUpload(upload: Upload, id: string, nowMs: number): StoredFile {
  const { fields, filename } = upload;
  const purpose = fields.get("purpose");
  if (filename === null) throw openAiRefuses("Missing required parameter: 'file'.", "file", "missing_required_parameter");
  if (purpose === undefined) throw openAiRefuses("Missing required parameter: 'purpose'.", "purpose", "missing_required_parameter");
  if (!PURPOSES.has(purpose)) throw openAiRefuses(`'${purpose}' is not one of ['${[...PURPOSES].join("', '")}'] - 'purpose'`);
  if (purpose === "batch" && !filename.endsWith(".jsonl")) throw openAiRefuses("Invalid file format for Batch API. Must be .jsonl");
  if (upload.bytes === 0) throw openAiRefuses("File is empty.", "file");
  const seconds = fields.get("expires_after[seconds]");
  const kept = seconds === undefined ? null : Number(seconds);
  if (kept !== null && (fields.get("expires_after[anchor]") !== "created_at" || !Number.isInteger(kept) || kept < 3_600 || kept > 2_592_000)) {
    throw openAiRefuses("Invalid 'expires_after': anchor 'created_at' and 3600 to 2592000 seconds.", "expires_after", "invalid_value");
  }
  const expiresMs = kept !== null ? nowMs + kept * 1000 : purpose === "batch" ? nowMs + BATCH_KEPT_MS : null;
  return { id, filename, purpose, bytes: upload.bytes, createdMs: nowMs, expiresMs, deletedMs: null, lines: upload.lines };
}
