import type { BlobStore } from "@slowboat/blob";
import { messageRequest, requestsScanner } from "@slowboat/intake";
import { type BatchRow, readBatchLines, type Sql } from "@slowboat/store";
import { resultLine, unreadLine } from "./result-line.ts";

const PAGE_LINES = 200;
const PIECE_CHARS = 65_536;

/** The results of an ended batch as JSONL, in line order, read a page at a time at the client's pace. */
export function resultsStream(from: { readonly sql: Sql; readonly blob: BlobStore }, batch: BatchRow): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces(from.sql, from.blob, batch)) as unknown as ReadableStream<Uint8Array>;
}

async function* pieces(sql: Sql, blob: BlobStore, batch: BatchRow): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let buffer = "";
  for await (const line of lines(sql, blob, batch)) {
    buffer += `${line}\n`;
    if (buffer.length < PIECE_CHARS) continue;
    yield encoder.encode(buffer);
    buffer = "";
  }
  if (buffer !== "") yield encoder.encode(buffer);
}

async function* lines(sql: Sql, blob: BlobStore, batch: BatchRow): AsyncGenerator<string> {
  let told = 0;
  for await (const line of readBatchLines(sql, { batchId: batch.id, tenantId: batch.tenantId, which: "all", page: PAGE_LINES })) {
    told++;
    yield resultLine(line);
  }
  // A batch that ended while its requests were still being read has rows for the first of them only; the rest are told from the body.
  if (told >= batch.total) return;
  const scanner = requestsScanner();
  for await (const chunk of blob.get(batch.inputBlobKey)) {
    for (const element of scanner.push(chunk)) if (element.index >= told) yield unreadLine(messageRequest(element).customId, batch);
  }
}
