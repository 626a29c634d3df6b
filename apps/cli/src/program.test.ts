import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
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
    [["keys", "create", "--tenant", ""], "--tenant '' is not possible. The name after --tenant needs 1 to 64 printable characters"],
    [["keys", "create", "--tenant", "x".repeat(65)], "1 to 64 printable characters"],
    [["keys", "create", "--tenant", "a\nb"], "1 to 64 printable characters"],
    [["keys", "create", "--name", " "], "--name ' ' is not possible"],
    [["cancel", "--data-dir", dir, "--url", "http://127.0.0.1:1", "--key", "k", "nonsense"], "no id"],
    [["watch", "--data-dir", dir, "--url", "http://127.0.0.1:1", "--key", "k", "nonsense"], "no id"],
  ];
  for (const [args, words] of cases) {
    const { code, text } = await refused(...args);
    expect([args, code]).toEqual([args, EXIT.usage]);
    expect(text).toContain(words);
  }
});

const IMPOSSIBLE: readonly (readonly [string, string, RegExp])[] = [
  ["OPENAI_WEBHOOK_SECRET", "secret", /OPENAI_WEBHOOK_SECRET: give the signing secret .*whsec_/],
  ["SLOWBOAT_CALLBACK_ALLOW", "localhost", /SLOWBOAT_CALLBACK_ALLOW: give host:port pairs/],
  ["SLOWBOAT_PROVIDERS", "/nowhere.json", /SLOWBOAT_PROVIDERS \(\/nowhere\.json\).*no such file/],
  ["SLOWBOAT_ENQUEUED_TOKENS", "{", /SLOWBOAT_ENQUEUED_TOKENS is no JSON: write limits as \{"openai-batch"/],
  ["SLOWBOAT_ENQUEUED_TOKENS", '{"openai-bach":{"*":1}}', /'openai-bach' is no batch lane here; known: openai-batch, anthropic-batch\./],
  ["SLOWBOAT_ENQUEUED_TOKENS", '{"openai-batch":{"gpt-5-mni":1}}', /no model 'gpt-5-mni'; known: .*gpt-5-mini.* \* for all others/],
  ["SLOWBOAT_ENQUEUED_TOKENS", '{"openai-batch":{"*":0.5}}', /the limit of openai-batch for \* is not possible: give a whole number/],
  ["SLOWBOAT_LANES", "/nowhere.ts", /SLOWBOAT_LANES \(\/nowhere\.ts\): Cannot find module .*unset SLOWBOAT_LANES/],
];

test.each(IMPOSSIBLE)("a %s that cannot be (%s) is refused in one line that names it, before anything starts", async (name, value, line) => {
  vi.stubEnv(name, value);
  const place = join(dir, "never");
  const { code, text } = await refused("up", "--port", "0", "--data-dir", place);
  vi.unstubAllEnvs();
  expect(code).toBe(EXIT.usage);
  expect(text).toMatch(line);
  expect(text).not.toContain("\n");
  expect(existsSync(place)).toBe(false);
});

test("a module of lanes is tried where it cannot harm: one that ends its process, or lacks something, is refused with the reason", async () => {
  const path = join(dir, "lanes.mjs");
  vi.stubEnv("SLOWBOAT_LANES", path);
  for (const [source, words] of [
    ['console.error("no card found"); process.exit(3);', "the module ended its process (3): no card found."],
    ['export default () => [{ id: "x" }];', "lane 0 has no account."],
  ] as const) {
    writeFileSync(path, source);
    const { code, text } = await refused("up", "--port", "0", "--data-dir", join(dir, "never"));
    expect([code, text]).toEqual([EXIT.usage, expect.stringContaining(words)]);
  }
  vi.unstubAllEnvs();
  expect(existsSync(join(dir, "never"))).toBe(false);
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
