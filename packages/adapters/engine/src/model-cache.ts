import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Precision, writeUseLite } from "./use-lite.ts";
import { type ModelPackage, readWeights } from "./weights.ts";

/** Goes up with every change of `writeUseLite`, so that an older conversion is not taken for the present one. */
const CONVERTER_REVISION = 1;
/** A part file this old has lost its writer. */
const ABANDONED_AFTER_MS = 10 * 60_000;

/** Where the converted model of this package version, converter and precision lies, whether or not it is there yet. */
export const modelPath = (cacheDir: string, version: string, precision: Precision): string =>
  join(cacheDir, `use-lite-en-${version}-r${CONVERTER_REVISION}-${precision}`, "model.onnx");

/**
 * The path of the ONNX model, converting it on the first call (0.3 s; 13 MB as int8, 28 MB as fp32). The file is written aside and renamed
 * into place once it is on the disk, so it is whole or absent, whoever is killed and however many processes convert at once.
 */
export async function ensureModel(cacheDir: string, source: ModelPackage, precision: Precision): Promise<string> {
  const path = modelPath(cacheDir, source.version, precision);
  if (await exists(path)) return path;
  const folder = join(path, "..");
  await mkdir(folder, { recursive: true });
  await removeAbandonedParts(folder);
  const bytes = writeUseLite(await readWeights(source.folder), precision);
  const part = join(folder, `${process.pid}-${crypto.randomUUID()}.part`);
  const file = await open(part, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  return path;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function removeAbandonedParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".part")) continue;
    const path = join(folder, name);
    // The writer may finish between the listing and the look.
    const age = await stat(path).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > ABANDONED_AFTER_MS) await rm(path, { force: true });
  }
}
