/**
 * Files by key: uploads, batch inputs, outputs. On disk, whole or not at all; a key is ours and never a caller's text.
 */
export { diskBlobs } from "./disk.ts";
export { BlobMissing, type BlobStore, BlobTooLarge } from "./port.ts";
