import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Ended, EXIT } from "./exit.ts";
import { program } from "./program.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "slowboat-program-"));
  writeFileSync(join(dir, "file"), "");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Code and words of a command line that is refused. */
async function refused(...args: string[]): Promise<{ readonly code: number; readonly text: string }> {
  try {
    return { code: await program(["node", "slowboat", ...args]), text: "" };
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return { code: error.code, text: error.message };
  }
}

test("a value that cannot be is a usage error that names what can, before anything starts", async () => {
  const cases: [string[], string][] = [
    [["nightly", "--data-dir="], "--data-dir is empty"],
    [["jobs", "--data-dir="], "--data-dir is empty"],
    [["up", "--data-dir", dir, "--port", "80x"], "0 to 65535"],
    [["up", "--data-dir", dir, "--time-scale", "0"], "from 1 to"],
    [["nightly", "--data-dir", dir, "--max-cost", "a lot"], "give dollars"],
    [["nightly", "--data-dir", dir, "--once", "--serve"], "one of them"],
    [["jobs", "--data-dir", dir, "--url", "localhost"], "no address"],
    [["watch", "--data-dir", dir, "--url", "http://127.0.0.1:1", "--key", "k", "nonsense"], "no id"],
  ];
  for (const [args, words] of cases) {
    const { code, text } = await refused(...args);
    expect([args, code]).toEqual([args, EXIT.usage]);
    expect(text).toContain(words);
  }
});

test("a data folder that cannot be made is refused at once, with the reason", async () => {
  for (const [place, reason] of [
    [join(dir, "file"), "is a file"],
    [join(dir, "file", "below"), "is a file"],
    ...(process.platform === "linux" ? ([["/proc/slowboat", "no folder can be made there"]] as const) : []),
  ] as const) {
    const { code, text } = await refused("up", "--port", "0", "--data-dir", place);
    expect(code).toBe(EXIT.usage);
    expect(text).toContain(reason);
    expect(text).toContain("--data-dir");
  }
});

test("the doctor of a folder that does not exist says so rather than listing what is missing in it", async () => {
  const { code, text } = await refused("doctor", "--data-dir", join(dir, "none"));
  expect(code).toBe(EXIT.error);
  expect(text).toContain("does not exist");
});
