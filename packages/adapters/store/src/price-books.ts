import type { Sql } from "./connect.ts";

/** Writes down which price book the running version brings, with its content, once a version. */
export async function recordPriceBook(tx: Sql, book: { readonly version: string; readonly content: string; readonly nowMs: number }): Promise<void> {
  await tx`insert into price_book (version, content, loaded_at_ms) values (${book.version}, ${book.content}, ${book.nowMs}) on conflict (version) do nothing`;
}
