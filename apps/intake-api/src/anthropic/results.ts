import { type BatchRow, readBatchLines, type Sql } from "@slowboat/store";
import { resultLine } from "./result-line.ts";

const PAGE_LINES = 200;
const PIECE_CHARS = 65_536;

/** The results of an ended batch as JSONL, read a page at a time at the client's pace: succeeded lines first, then the others. */
export function resultsStream(sql: Sql, batch: BatchRow): ReadableStream<Uint8Array> {
  return ReadableStream.from(pieces(sql, batch)) as unknown as ReadableStream<Uint8Array>;
}

async function* pieces(sql: Sql, batch: BatchRow): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let buffer = "";
  for (const completed of [true, false]) {
    for await (const line of readBatchLines(sql, { batchId: batch.id, tenantId: batch.tenantId, completed, page: PAGE_LINES })) {
      buffer += `${resultLine(line)}\n`;
      if (buffer.length < PIECE_CHARS) continue;
      yield encoder.encode(buffer);
      buffer = "";
    }
  }
  if (buffer !== "") yield encoder.encode(buffer);
}
