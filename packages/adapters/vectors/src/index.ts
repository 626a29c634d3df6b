/**
 * Vectors: the nearest of many sentence vectors, found inside this process. Rows of eight bits lie in one WebAssembly memory, where a kernel of vector
 * instructions compares a hundred thousand of them in some three milliseconds; no library, no native code, no file. It holds what may be lost:
 * the truth stands in Postgres, and a namespace that is not held is read anew.
 */
export { createVectorIndex, type IndexOptions, type VectorIndex } from "./create-index.ts";
export type { Near } from "./nearest.ts";
export { type Codes, quantize } from "./quantize.ts";
