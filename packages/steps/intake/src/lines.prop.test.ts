import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readBatchLine } from "./batch-line.ts";
import { type Line, readLines } from "./lines.ts";

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? 7);
    // A view of a buffer that is overwritten afterwards: whoever keeps a view is found out.
    const piece = Uint8Array.from(bytes.subarray(at, at + size));
    yield piece;
    piece.fill(88);
    at += size;
  }
}

const linesOf = async (bytes: Uint8Array, sizes: readonly number[], max: number): Promise<{ no: number; offset: number; text: string | null }[]> => {
  const lines: { no: number; offset: number; text: string | null }[] = [];
  for await (const { no, offset, bytes: line } of readLines(inPieces(bytes, sizes), max))
    lines.push({ no, offset, text: line && Buffer.from(line).toString("latin1") });
  return lines;
};

const content = fc
  .array(fc.constantFrom("\n", "\r\n", "\r", "a", "bc", "ü", "0123456789"), { maxLength: 60 })
  .map((parts) => Buffer.from(parts.join("")));

describe("lines", () => {
  test("are the same wherever the chunks were cut, and lie where their offset says", async () => {
    await fc.assert(
      fc.asyncProperty(
        content,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 12 }),
        async (bytes, sizes, max) => {
          const cut = await linesOf(bytes, sizes, max);
          expect(cut).toEqual(await linesOf(bytes, [1_000_000], max));
          const text = bytes.toString("latin1");
          const expected = text === "" ? [] : (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n").map((line) => line.replace(/\r$/, ""));
          expect(cut.map((line) => line.text)).toEqual(expected.map((line) => (line.length > max ? null : line)));
          expect(cut.map((line) => line.no)).toEqual(expected.map((_, index) => index + 1));
          for (const line of cut) if (line.text !== null) expect(text.startsWith(line.text, line.offset)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("an endless line costs no memory: it is passed over whole", async () => {
    const piece = Buffer.alloc(64 * 1024, 120);
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 1000; i++) yield piece;
      yield Buffer.from("\nnext");
    };
    const lines: Line[] = [];
    for await (const line of readLines(endless(), 1000)) lines.push(line);
    expect(lines.map((line) => [line.no, line.offset, line.bytes && Buffer.from(line.bytes).toString()])).toEqual([
      [1, 0, null],
      [2, 64 * 1024 * 1000 + 1, "next"],
    ]);
  });
});

describe("a batch line", () => {
  const judged = (bytes: Uint8Array): unknown => readBatchLine({ no: 1, offset: 0, bytes }, "/v1/embeddings");

  test("never throws, whatever it holds", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => Buffer.from(text)),
          fc.constantFrom("null", '"x"', "{}", '{"custom_id":{}}').map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const read = judged(bytes) as { code?: string } | null;
          expect(read === null || typeof read.code === "string").toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("gives the exact bytes of any body, whatever stands around it", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
        fc.constantFrom("", " ", "\t  "),
        (body, customId, gap) => {
          fc.pre(customId.isWellFormed() && !customId.includes("\u0000"));
          const raw = JSON.stringify(body);
          const text = `{${gap}"custom_id"${gap}:${JSON.stringify(customId)},"method":"POST","body"${gap}:${gap}${raw}${gap},"url":"/v1/embeddings"}`;
          const bytes = Buffer.from(text);
          const read = readBatchLine({ no: 3, offset: 1000, bytes }, "/v1/embeddings");
          expect(read).toMatchObject({ no: 3, customId });
          if (read === null || "code" in read) throw new Error("refused");
          expect(bytes.subarray(read.offset - 1000, read.offset - 1000 + read.bytes).toString()).toBe(raw);
          expect(read.text).toBe(raw);
        },
      ),
    );
  });
});
