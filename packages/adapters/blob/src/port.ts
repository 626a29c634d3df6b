/** Where files lie. Keys are made by us and never contain a caller's text. */
export interface BlobStore {
  /** Stores a stream whole or not at all (written aside, synced, renamed). Stops with `BlobTooLarge` past `maxBytes`. */
  put(key: string, chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<{ readonly sizeBytes: number; readonly sha256: string }>;
  /** Streams bytes [start, end) of a blob, or all of it. Throws `BlobMissing`. */
  get(key: string, range?: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array>;
  /** Size in bytes, or `null` when there is no such blob. */
  size(key: string): Promise<number | null>;
  /** Forgets a blob; a missing one is no error. */
  remove(key: string): Promise<void>;
}

export class BlobTooLarge extends Error {
  override readonly name = "BlobTooLarge";
}

export class BlobMissing extends Error {
  override readonly name = "BlobMissing";
}
