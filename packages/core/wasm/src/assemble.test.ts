import { expect, test } from "vitest";
import { assembleModule, op, signed, unsigned, type WasmFunction } from "./assemble.ts";
import { openModule } from "./open.ts";

/** `out = a + b`, in whole numbers. */
const ADD: WasmFunction = {
  name: "add",
  params: ["i32", "i32", "i32"],
  locals: [],
  body: [...op.get(0), ...op.get(1), ...op.get(2), ...op.add, ...op.store(0)],
};

test("a module is made of its functions alone: the same bytes each time, and few", () => {
  expect([...assembleModule([ADD])]).toEqual([...assembleModule([ADD])]);
  expect(assembleModule([ADD]).length).toBeLessThan(100);
});

test("its functions work on the memory that they are opened with", () => {
  const { memory, exports } = openModule([ADD], 1);
  (exports as { add(out: number, a: number, b: number): void }).add(64, 1_000, -58);
  expect(new Int32Array(memory.buffer, 64, 1)[0]).toBe(942);
});

test("numbers are written as LEB128 has them", () => {
  expect(unsigned(624_485)).toEqual([0xe5, 0x8e, 0x26]);
  expect(signed(-123_456)).toEqual([0xc0, 0xbb, 0x78]);
  expect(signed(64)).toEqual([0xc0, 0x00]);
});
