import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mendLinks } from "./embedded-binaries.ts";

test("where install scripts were off, the missing links are made, and made once", async () => {
  const root = mkdtempSync(join(tmpdir(), "slowboat-links-"));
  try {
    mkdirSync(join(root, "native", "lib"), { recursive: true });
    writeFileSync(join(root, "native", "lib", "libpq.so.5.18"), "library");
    const links = ["libpq.so", "libpq.so.5"].map((name) => ({ source: "native/lib/libpq.so.5.18", target: `native/lib/${name}` }));
    writeFileSync(join(root, "native", "pg-symlinks.json"), JSON.stringify(links));
    await mendLinks(root);
    await mendLinks(root);
    for (const { target } of links) expect(readFileSync(join(root, target), "utf8")).toBe("library");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
