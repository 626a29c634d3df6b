/** Small kernels in WebAssembly with its vector instructions, written as lists of instructions and assembled where they are used: no file to fetch, nothing to compile before. */
export { assembleModule, op, signed, unsigned, type WasmFunction } from "./assemble.ts";
export { openModule, PAGE_BYTES, type WasmMemory } from "./open.ts";
export { rowProducts } from "./row-products.ts";
