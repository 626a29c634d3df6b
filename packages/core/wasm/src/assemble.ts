/** A value type of WebAssembly, as its byte. */
const TYPE = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;
type ValueType = keyof typeof TYPE;

/** A function of a module: its parameters, its other locals, and its body without the closing `end`. */
export interface WasmFunction {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly body: readonly number[];
}

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const more = rest > 0x7f;
    bytes.push((rest & 0x7f) | (more ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128, as constants are written. */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const last = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(last ? byte : byte | 0x80);
    if (last) return bytes;
  }
}

/** The few instructions that the kernels are made of (WebAssembly core specification 2.0, with its vector instructions). */
export const op = {
  get: (local: number): number[] => [0x20, ...unsigned(local)],
  set: (local: number): number[] => [0x21, ...unsigned(local)],
  tee: (local: number): number[] => [0x22, ...unsigned(local)],
  const: (value: number): number[] => [0x41, ...signed(value)],
  add: [0x6a],
  sub: [0x6b],
  /** Stores an i32: address, then value. */
  store: (offset: number): number[] => [0x36, 2, ...unsigned(offset)],
  isZero: [0x45],
  /** `do { body } while (condition)`: the body leaves the condition on the stack. */
  loopWhile: (body: readonly number[]): number[] => [0x03, 0x40, ...body, 0x0d, 0, 0x0b],
  /** Leaves the function when the condition on the stack is not zero. */
  returnIf: [0x04, 0x40, 0x0f, 0x0b],
  vectorZero: [0xfd, 12, ...new Array<number>(16).fill(0)],
  loadVector: (offset: number): number[] => [0xfd, 0, 4, ...unsigned(offset)],
  /** Eight bytes, each widened to 16 bits with its sign. */
  loadWidened: (offset: number): number[] => [0xfd, 1, 3, ...unsigned(offset)],
  /** Products of eight pairs of 16 bits, neighbours added: four sums of 32 bits. */
  dot: [0xfd, ...unsigned(0xba)],
  addLanes: [0xfd, ...unsigned(0xae)],
  lane: (index: number): number[] => [0xfd, 0x1b, index],
  multiplyFloats: [0xfd, ...unsigned(0xe6)],
  addFloats: [0xfd, ...unsigned(0xe4)],
  floatLane: (index: number): number[] => [0xfd, 0x1f, index],
  addFloat: [0x92],
  /** Stores an f32: address, then value. */
  storeFloat: (offset: number): number[] => [0x38, 2, ...unsigned(offset)],
} as const;

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const list = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (value: string): number[] => [...unsigned(value.length), ...[...value].map((char) => char.charCodeAt(0))];

/** The bytes of a module that imports `env.memory` and exports functions without results. */
export function assembleModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ params }) => [0x60, ...list(params.map((one) => [TYPE[one]])), 0]);
  const memory = [...text("env"), ...text("memory"), 0x02, 0x00, ...unsigned(1)];
  const exported = functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]);
  const code = functions.map(({ locals, body }) => {
    const whole = [...list(locals.map((one) => [1, TYPE[one]])), ...body, 0x0b];
    return [...unsigned(whole.length), ...whole];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(types)),
    ...section(2, list([memory])),
    ...section(3, list(functions.map((_, index) => unsigned(index)))),
    ...section(7, list(exported)),
    ...section(10, list(code)),
  ]);
}
