import fc from "fast-check";
import { expect, test } from "vitest";
import { memoryKeep } from "../keep.ts";
import { readUpload } from "./multipart.ts";

const seed = 20_261_126;

test(`a form is read the same however it is cut into chunks, even where its content looks like a boundary (seed ${seed})`, async () => {
  const piece = fc.oneof(fc.constantFrom("\r\n", "\r\n--", "--edge", "\r\n--edg", "\r", "\n", '{"a":1}\n'), fc.string({ maxLength: 20 }));
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 40 }), async (pieces, size) => {
      const content = pieces.join("").replaceAll("\r\n--edge", "");
      const form = `--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--edge\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: text/plain\r\n\r\n${content}\r\n--edge--\r\n`;
      const bytes = Buffer.from(form);
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (let at = 0; at < bytes.length; at += size) controller.enqueue(new Uint8Array(bytes.subarray(at, at + size)));
          controller.close();
        },
      });
      const request = new Request("http://x/", {
        method: "POST",
        body,
        duplex: "half",
        headers: { "content-type": "multipart/form-data; boundary=edge" },
      } as RequestInit);
      const keep = memoryKeep();
      const upload = await readUpload(request, keep.writer("f"), 1_000_000);
      const kept: Uint8Array[] = [];
      for await (const chunk of keep.read("f")) kept.push(chunk);
      expect(Buffer.concat(kept).toString("utf8")).toBe(Buffer.from(content).toString("utf8"));
      expect(upload).toMatchObject({ filename: "a.jsonl", bytes: Buffer.byteLength(content) });
      expect(upload.fields.get("purpose")).toBe("batch");
    }),
    { seed, numRuns: 200 },
  );
});

test("a form that breaks off is refused", async () => {
  const request = new Request("http://x/", {
    method: "POST",
    body: "--edge\r\nContent-Disposition: form-data; name=",
    headers: { "content-type": "multipart/form-data; boundary=edge" },
  });
  await expect(readUpload(request, memoryKeep().writer("f"), 10)).rejects.toMatchObject({ status: 400 });
});
