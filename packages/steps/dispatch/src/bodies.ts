import type { BlobStore } from "@slowboat/blob";
import type { Endpoint, PromptMarks } from "@slowboat/contract";
import { memberSpans, replaceSpans } from "@slowboat/kernel";
import type { LaneAnswer, LaneRequest } from "@slowboat/lanes";
import { markPrompt } from "@slowboat/reuse";
import type { ChunkRow, DispatchRow } from "@slowboat/store";
import { fallbackTarget, translateRequest } from "@slowboat/translate";

/** Bytes of request bodies held in memory at a time. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** Ranges closer than this are read in one go. */
const GAP_BYTES = 64 * 1024;

/** Cuts rows into windows whose bodies fit in memory together; a single larger body gets a window of its own. */
export function windows(rows: readonly ChunkRow[], maxRows: number): ChunkRow[][] {
  const out: ChunkRow[][] = [];
  let current: ChunkRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (current.length > 0 && (bytes + row.bodyBytes > WINDOW_BYTES || current.length >= maxRows)) {
      out.push(current);
      current = [];
      bytes = 0;
    }
    current.push(row);
    bytes += row.bodyBytes;
  }
  if (current.length > 0) out.push(current);
  return out;
}

/**
 * Reads the raw bodies of a window: inline ones are at hand, ranges of one blob that lie close together are read in one go. The result
 * is in the rows' order.
 */
export async function readBodies(blob: BlobStore, rows: readonly ChunkRow[]): Promise<string[]> {
  const bodies = rows.map((row) => row.body ?? "");
  const ranged = rows
    .map((row, index) => ({ index, key: row.bodyBlobKey ?? "", start: row.bodyOffset ?? 0, end: (row.bodyOffset ?? 0) + row.bodyBytes }))
    .filter((range) => range.key !== "")
    .sort((a, b) => (a.key === b.key ? a.start - b.start : a.key < b.key ? -1 : 1));
  let at = 0;
  while (at < ranged.length) {
    const first = ranged[at];
    if (!first) break;
    let last = at;
    let end = first.end;
    for (
      let next = ranged[last + 1];
      next && next.key === first.key && next.start - end <= GAP_BYTES && next.end - first.start <= 2 * WINDOW_BYTES;
      next = ranged[last + 1]
    ) {
      end = Math.max(end, next.end);
      last++;
    }
    const span = await readRange(blob, first.key, first.start, end);
    for (const range of ranged.slice(at, last + 1))
      bodies[range.index] = span.subarray(range.start - first.start, range.end - first.start).toString("utf8");
    at = last + 1;
  }
  return bodies;
}

async function readRange(blob: BlobStore, key: string, start: number, end: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.get(key, { start, end })) chunks.push(chunk);
  return Buffer.concat(chunks, end - start);
}

/**
 * A row as its lane takes it. Where the decision chose another model than the caller named, the text carries that one; where that model is
 * behind the other API, the text is in that API's shape; and where the decision set markers for the prompt cache, it carries those. Nothing
 * else changes. `null` for a body that cannot be translated, which intake had judged otherwise.
 */
export function toRequest(dispatch: DispatchRow, row: ChunkRow, body: string): LaneRequest | null {
  const asked = row.endpoint as Endpoint;
  const endpoint = dispatch.endpoint as Endpoint;
  const { attemptId } = row;
  const { model } = dispatch;
  if (asked !== endpoint) {
    const said = translateRequest(asked, endpoint, body, fallbackTarget(model));
    return said.kind === "translated" ? { attemptId, endpoint, model, body: said.body } : null;
  }
  const span = model === row.model || dispatch.lane === "pool" ? undefined : memberSpans(body).get("model");
  const renamed = span ? replaceSpans(body, [{ span, with: JSON.stringify(model) }]) : body;
  const marked = row.promptCache === null ? renamed : markPrompt(asked, renamed, JSON.parse(row.promptCache) as PromptMarks);
  return { attemptId, endpoint, model, body: marked };
}

/** Characters translated or edited before other work gets a turn. */
const TURN_CHARS = 2 * 1024 * 1024;

/** Rows of a batch as their lane takes them, in order. */
export async function toRequests(dispatch: DispatchRow, rows: readonly ChunkRow[], bodies: readonly string[]): Promise<(LaneRequest | null)[]> {
  const requests: (LaneRequest | null)[] = [];
  let chars = 0;
  for (const [index, row] of rows.entries()) {
    const body = bodies[index] ?? "";
    requests.push(toRequest(dispatch, row, body));
    chars += body.length;
    if (chars < TURN_CHARS) continue;
    chars = 0;
    await new Promise((done) => setImmediate(done));
  }
  return requests;
}

/** The answer to a row that `toRequest` could not make a request of: a refusal of our own, after which the job goes on to another model. */
export const untranslatable = (attemptId: string): LaneAnswer => ({
  kind: "refused",
  attemptId,
  statusCode: 400,
  body: JSON.stringify({ error: { type: "invalid_request_error", message: "The request could not be translated." } }),
  requestId: null,
  code: "untranslatable",
  retry: "never",
  retryAfterMs: null,
});
