import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRng } from "@slowboat/kernel";
import { afterEach, beforeEach, expect, test } from "vitest";
import { BlobMissing, type BlobStore, BlobTooLarge, diskBlobs } from "./index.ts";

let root: string;
let blobs: BlobStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "slowboat-blob-"));
  blobs = await diskBlobs(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of chunks) parts.push(part);
  return Buffer.concat(parts);
}
const noise = (size: number): Uint8Array => {
  const rng = seededRng(7);
  return Uint8Array.from({ length: size }, () => rng.u32() & 255);
};
const aside = (): Promise<string[]> => readdir(join(root, ".writing"));

test("what was put is what is got, whole and by range, with its size and SHA-256", async () => {
  const bytes = noise(1_000_003);
  const put = await blobs.put("ten_1/file-abc.jsonl", chunked(bytes, 65_537), 2_000_000);
  expect(put).toEqual({ sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  expect((await all(blobs.get("ten_1/file-abc.jsonl"))).equals(bytes)).toBe(true);
  for (const [start, end] of [
    [0, 1],
    [999_999, 1_000_003],
    [300_000, 700_001],
    [5, 5],
  ] as const) {
    expect((await all(blobs.get("ten_1/file-abc.jsonl", { start, end }))).equals(bytes.subarray(start, end))).toBe(true);
  }
  expect(await blobs.size("ten_1/file-abc.jsonl")).toBe(bytes.length);
});

test("an upload past its bound is refused while it streams and leaves nothing", async () => {
  let taken = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      taken++;
      yield new Uint8Array(1000);
    }
  }
  await expect(blobs.put("big", endless(), 10_000)).rejects.toThrow(BlobTooLarge);
  expect(taken).toBe(11);
  expect(await blobs.size("big")).toBeNull();
  expect(await aside()).toEqual([]);
});

test("an upload that breaks off leaves the former blob as it was", async () => {
  await blobs.put("a/b", chunked(Buffer.from("first"), 2), 100);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("sec");
    throw new Error("connection lost");
  }
  await expect(blobs.put("a/b", broken(), 100)).rejects.toThrow("connection lost");
  expect((await all(blobs.get("a/b"))).toString()).toBe("first");
  expect(await aside()).toEqual([]);
});

test("a missing blob is named, has no size, and may be removed", async () => {
  await expect(all(blobs.get("nowhere/x"))).rejects.toThrow(BlobMissing);
  await expect(all(blobs.get("nowhere/x"))).rejects.toThrow("nowhere/x");
  expect(await blobs.size("nowhere/x")).toBeNull();
  await blobs.remove("nowhere/x");
});

test("a removed blob is gone", async () => {
  await blobs.put("x", chunked(Buffer.from("text"), 9), 100);
  await blobs.remove("x");
  expect(await blobs.size("x")).toBeNull();
});

test("a key can leave neither its folder nor its alphabet", async () => {
  for (const key of ["../x", "a/../../x", "/etc/passwd", "a//b", "", ".writing/x", "a/.hidden", "A", "a b", "a\0", "a\\b", "x".repeat(600), "a/"]) {
    expect(() => blobs.get(key), key).toThrow("blob key");
    await expect(blobs.put(key, chunked(Buffer.from("x"), 1), 10), key).rejects.toThrow("blob key");
    await expect(blobs.size(key), key).rejects.toThrow("blob key");
  }
});

test("what a killed writer left aside is swept at the next start, and a live writer's file is not", async () => {
  await writeFile(join(root, ".writing", "4194999-1-1"), "left"); // past the largest process number
  await writeFile(join(root, ".writing", `${process.ppid}-1-1`), "being written");
  await writeFile(join(root, ".writing", `${process.ppid}-2-2`), "its number is in use again");
  await utimes(join(root, ".writing", `${process.ppid}-2-2`), 1, 1);
  await diskBlobs(root);
  expect(await aside()).toEqual([`${process.ppid}-1-1`]);
});

test("a reader that stops early frees the file", async () => {
  await blobs.put("long", chunked(noise(2_000_000), 100_000), 3_000_000);
  for await (const chunk of blobs.get("long")) {
    expect(chunk.byteLength).toBeGreaterThan(0);
    break;
  }
  await blobs.remove("long");
  expect(await blobs.size("long")).toBeNull();
});
