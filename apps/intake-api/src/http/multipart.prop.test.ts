import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundaryOf, readMultipart } from "./multipart.ts";

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield Uint8Array.from(bytes.subarray(at, at + size));
}

const partsOf = async (bytes: Uint8Array, size: number, read: "all" | "none" = "all"): Promise<[string, string | null, string][]> => {
  const parts: [string, string | null, string][] = [];
  for await (const part of readMultipart(inPieces(bytes, size), "xyz")) {
    const pieces: Uint8Array[] = [];
    if (read === "all") for await (const piece of part.content) pieces.push(Uint8Array.from(piece));
    parts.push([part.name, part.filename, Buffer.concat(pieces).toString("latin1")]);
  }
  return parts;
};

const form = (contents: readonly string[]): Buffer =>
  Buffer.from(
    `${contents.map((text, i) => `--xyz\r\nContent-Disposition: form-data; name="p${i}"; filename="f${i}"\r\nContent-Type: x/y\r\n\r\n${text}\r\n`).join("")}--xyz--\r\n`,
    "latin1",
  );

describe("a multipart form", () => {
  test("gives every part byte for byte wherever the chunks were cut, look-alikes of the delimiter included", async () => {
    const text = fc.array(fc.constantFrom("\r\n", "--", "--xy", "\r\n--xy", "a", "\u0000", "\xff"), { maxLength: 20 }).map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 40 }), async (contents, size) => {
        fc.pre(contents.every((one) => !`\r\n${one}\r\n`.includes("\r\n--xyz")));
        const expected = contents.map((one, i) => [`p${i}`, `f${i}`, one]);
        expect(await partsOf(form(contents), size)).toEqual(expected);
        expect(await partsOf(form(contents), size, "none")).toEqual(contents.map((_, i) => [`p${i}`, `f${i}`, ""]));
      }),
    );
  });

  test("cut off anywhere before its end is refused, never taken as whole", async () => {
    const whole = form(["hello", "world"]);
    for (let end = 0; end < whole.length - 4; end++)
      await expect(partsOf(whole.subarray(0, end), 16), `cut at ${end}`).rejects.toThrow("ends in the middle");
  });

  test("with endless headers or a part without a name is refused", async () => {
    await expect(partsOf(Buffer.from(`--xyz\r\n${"x".repeat(40_000)}`), 1000)).rejects.toThrow("headers");
    await expect(partsOf(Buffer.from("--xyz\r\nContent-Type: a/b\r\n\r\nx\r\n--xyz--"), 1000)).rejects.toThrow("no name");
  });

  test("names its boundary in any legal way", () => {
    expect(boundaryOf("multipart/form-data; boundary=abc")).toBe("abc");
    expect(boundaryOf('Multipart/Form-Data; charset=utf-8; boundary="a b c"')).toBe("a b c");
    for (const wrong of [undefined, "application/json", "multipart/form-data"]) expect(() => boundaryOf(wrong)).toThrow("content type");
  });
});
