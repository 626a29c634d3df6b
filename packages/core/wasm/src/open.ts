import { assembleModule, type WasmFunction } from "./assemble.ts";

/** Bytes of a memory page. */
export const PAGE_BYTES = 65_536;

/** The part of the host's WebAssembly that is used; the types of Node name none of it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: { readonly env: { readonly memory: WasmMemory } }) => { readonly exports: object };
};

/** Memory that grows; its buffer is another one afterwards. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** Makes a memory of one page, of at most `maxBytes` and one more, with functions over it; `exports` has them by name. */
export function openModule(functions: readonly WasmFunction[], maxBytes: number): { readonly memory: WasmMemory; readonly exports: object } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: Math.ceil(maxBytes / PAGE_BYTES) + 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assembleModule(functions)), { env: { memory } });
  return { memory, exports };
}
