import { mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEmbedder, type Embedder } from "./embedder.ts";
import { ensureModel, modelPath } from "./model-cache.ts";
import { locateModelPackage } from "./weights.ts";

const SENTENCES = [
  "How do I reset my password?",
  "I forgot my login credentials, how can I change them?",
  "The stock market fell sharply on Monday.",
  "A cat sat on the mat.",
  "A kitten is resting on the rug.",
  "What is the capital of France?",
] as const;
// Counted by the tokenizer of the model's own runtime.
const SENTENCE_TOKENS = [8, 16, 9, 8, 10, 7];

let cacheDir: string;
let int8: Embedder;
let fp32: Embedder;

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "slowboat-engine-"));
  [int8, fp32] = await Promise.all([createEmbedder({ cacheDir, threads: 1 }), createEmbedder({ cacheDir, threads: 1, precision: "fp32" })]);
}, 60_000);

afterAll(async () => {
  await Promise.all([int8.stop(), fp32.stop()]);
  await rm(cacheDir, { recursive: true, force: true });
});

const cosine = (a: Float32Array | undefined, b: Float32Array | undefined): number => {
  let sum = 0;
  for (let i = 0; i < 512; i++) sum += (a?.[i] ?? Number.NaN) * (b?.[i] ?? Number.NaN);
  return sum;
};

describe("embedder", () => {
  test("fp32 puts paraphrases near and strangers far, as the model's own runtime does", async () => {
    const { vectors, tokens } = await fp32.embed(SENTENCES);
    expect(tokens).toEqual(SENTENCE_TOKENS);
    const pairs = [
      [0, 1, 0.726],
      [3, 4, 0.709],
      [0, 2, 0.095],
      [3, 5, 0.109],
    ] as const;
    for (const [a, b, expected] of pairs) expect(cosine(vectors[a], vectors[b])).toBeCloseTo(expected, 2);
    for (const vector of vectors) expect(cosine(vector, vector)).toBeCloseTo(1, 5);
  });

  test("int8, which is served, stays within 0.005 of fp32 by cosine on short and long texts", async () => {
    const texts = [...SENTENCES, `${SENTENCES.join(" ")} `.repeat(3), "npm install --save", "日本語 🚢"];
    const [small, whole] = await Promise.all([int8.embed(texts), fp32.embed(texts)]);
    const worst = Math.min(...small.vectors.map((vector, i) => cosine(vector, whole.vectors[i])));
    console.log(`int8 against fp32: worst cosine ${worst.toFixed(5)} over ${texts.length} texts`);
    expect(worst).toBeGreaterThan(0.995);
  });

  test("a text in a padded batch gets the vector it gets alone", async () => {
    const texts = ["Yes.", SENTENCES[1], "word ".repeat(100)];
    const together = await fp32.embed(texts);
    for (const [i, text] of texts.entries()) {
      const alone = await fp32.embed([text]);
      expect(cosine(alone.vectors[0], together.vectors[i])).toBeGreaterThan(0.99999);
    }
  });

  test("many texts of mixed length come back in the order they went in", async () => {
    const texts = Array.from({ length: 300 }, (_, i) => `${`${SENTENCES[i % 6]} `.repeat(1 + (i % 5))}Number ${i}.`);
    const [all, some] = await Promise.all([fp32.embed(texts), fp32.embed(texts.filter((_, i) => i % 37 === 0))]);
    expect(all.vectors).toHaveLength(300);
    for (const [n, vector] of some.vectors.entries()) {
      expect(cosine(vector, all.vectors[n * 37])).toBeGreaterThan(0.99999);
      expect(some.tokens[n]).toBe(all.tokens[n * 37]);
    }
  });

  test("a long text is the token-weighted mean of its windows, of which eight are read", async () => {
    const window = "the ".repeat(128);
    const other = "dog ".repeat(64);
    const [mixed, a, b, endless] = (await fp32.embed([window + other, window, other, "the ".repeat(100_000)])).vectors;
    const expected = Float32Array.from({ length: 512 }, (_, i) => 128 * (a?.[i] ?? 0) + 64 * (b?.[i] ?? 0));
    const length = Math.sqrt(cosine(expected, expected));
    expect(cosine(mixed, expected) / length).toBeCloseTo(1, 5);
    expect(cosine(endless, a)).toBeCloseTo(1, 5);
    expect((await fp32.embed(["the ".repeat(100_000), window + other])).tokens).toEqual([1_024, 192]);
  });

  test("an empty text is refused by name and takes no other call with it", async () => {
    const good = int8.embed(["fine"]);
    await expect(int8.embed(["fine", " \n"])).rejects.toMatchObject({ code: "empty-input", detail: { param: "input[1]" } });
    await expect(int8.embed([""])).rejects.toMatchObject({ code: "empty-input" });
    await expect(int8.embed(Array.from({ length: 2_049 }, () => "x"))).rejects.toMatchObject({ code: "invalid-request" });
    expect(await int8.embed([])).toEqual({ vectors: [], tokens: [] });
    expect((await good).tokens).toEqual([1]);
  });

  test("an aborted call rejects with the reason and the next one is answered", async () => {
    const reason = new Error("enough");
    await expect(int8.embed(["x"], AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const long = int8.embed(
      Array.from({ length: 2_000 }, () => "word ".repeat(128)),
      controller.signal,
    );
    controller.abort(reason);
    await expect(long).rejects.toBe(reason);
    expect((await int8.embed(["after"])).vectors).toHaveLength(1);
  });

  test("the event loop stays free while the engine computes", async () => {
    let turns = 0;
    let done = false;
    const count = (): void => {
      turns++;
      if (!done) setTimeout(count, 1);
    };
    count();
    await int8.embed(Array.from({ length: 64 }, () => "word ".repeat(128)));
    done = true;
    expect(turns).toBeGreaterThan(10);
  });

  test("memory stays bounded over many large calls", async () => {
    const texts = Array.from({ length: 400 }, (_, i) => `word ${i} `.repeat(1 + (i % 40)));
    await int8.embed(texts);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 5; round++) await int8.embed(texts);
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(80);
  });
});

describe("model cache", () => {
  test("converts once for a version and precision, leaves no part file, and processes may race", async () => {
    const source = await locateModelPackage();
    const other = await mkdtemp(join(tmpdir(), "slowboat-cache-"));
    const paths = await Promise.all([ensureModel(other, source, "int8"), ensureModel(other, source, "int8")]);
    expect(new Set(paths).size).toBe(1);
    const path = paths[0] as string;
    expect(path).toContain(source.version);
    const first = await stat(path);
    await ensureModel(other, source, "int8");
    expect((await stat(path)).mtimeMs).toBe(first.mtimeMs);
    expect(await readdir(join(path, ".."))).toEqual(["model.onnx"]);
    await rm(other, { recursive: true });
  });

  test("a model file that was damaged on the disk is converted again", async () => {
    const source = await locateModelPackage();
    const other = await mkdtemp(join(tmpdir(), "slowboat-cache-"));
    await truncate(await ensureModel(other, source, "int8"), 1_000);
    const embedder = await createEmbedder({ cacheDir: other, threads: 1 });
    expect((await embedder.embed(["whole again"])).tokens).toEqual([2]);
    expect((await stat(modelPath(other, source.version, "int8"))).size).toBeGreaterThan(13_000_000);
    await embedder.stop();
    await rm(other, { recursive: true });
  });

  test("after stop every call is refused as unavailable, waiting ones too, and stop may be called twice", async () => {
    const embedder = await createEmbedder({ cacheDir, threads: 1 });
    const waiting = embedder.embed(Array.from({ length: 1_000 }, () => "word ".repeat(128)));
    const refused = expect(waiting).rejects.toMatchObject({ code: "lane-unavailable" });
    await embedder.stop();
    await embedder.stop();
    await refused;
    await embedder.closed;
    await expect(embedder.embed(["late"])).rejects.toMatchObject({ code: "lane-unavailable" });
  });
});
