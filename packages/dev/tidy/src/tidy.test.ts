import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/** House rules that no other tool holds, as a test over the files that git knows or would add. */
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" })
  .split("\n")
  .filter((file) => file !== "" && existsSync(`${ROOT}${file}`));
const read = (file: string): string => readFileSync(`${ROOT}${file}`, "utf8");
const matching = (pattern: RegExp, select: (file: string) => boolean): string[] =>
  files.filter(select).flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
const source = (file: string): boolean => /\.(?:ts|tsx|mjs)$/.test(file);
const running = (file: string): boolean => source(file) && !file.includes(".test.") && !file.startsWith("packages/dev/");
const self = "packages/dev/tidy/src/tidy.test.ts";

test("the listing sees the whole house", () => {
  expect(files.filter(source).length).toBeGreaterThan(200);
});

test("no file is longer than 400 lines", () => {
  const long = files.filter((file) => /\.(?:ts|tsx|mjs|sql)$/.test(file) && read(file).split("\n").length > 401);
  expect(long).toEqual([]);
});

test("nothing is called utils, helpers, common or shared", () => {
  expect(files.filter((file) => /(?:^|\/)(?:utils?|helpers?|common|shared)(?:\.|\/)/.test(file))).toEqual([]);
});

test("file names are kebab-case", () => {
  expect(files.filter((file) => source(file) && !/^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:ts|tsx|mjs)$/.test(file.split("/").at(-1) ?? ""))).toEqual([]);
});

test("SQL reads no clock of its own: it takes nowMs", () => {
  const clock = /(?<![.\w])(?:now\(\)|current_timestamp|clock_timestamp\(\))/i;
  expect(matching(clock, (file) => file.startsWith("migrations/") || (running(file) && file.startsWith("packages/adapters/store/")))).toEqual([]);
});

test("nothing is exported wholesale", () => {
  expect(matching(/^export \* from /, running)).toEqual([]);
});

test("the environment is read in config files only", () => {
  const allowed = (file: string): boolean =>
    /(?:^|\/)config\.ts$/.test(file) ||
    file.startsWith("infra/") ||
    // The launcher hands its own PATH on to the server it starts.
    file === "packages/adapters/store/src/embedded.ts" ||
    file.endsWith("vite.config.ts") ||
    file === "vitest.config.ts";
  expect(matching(/process\.env\b/, (file) => running(file) && !allowed(file))).toEqual([]);
});

test("only the ledger's own verb writes the ledger, and nothing updates or deletes it", () => {
  expect(matching(/\b(?:update|delete from|truncate)\s+ledger_/i, running)).toEqual([]);
  const writers = files.filter((file) => running(file) && /insert into ledger_/i.test(read(file)));
  expect(writers).toEqual(["packages/adapters/store/src/post-ledger.ts"]);
});

test("nothing waits on queue events", () => {
  expect(matching(/\bQueueEvents\b|waitUntilFinished/, (file) => running(file) && !file.endsWith(".md"))).toEqual([]);
});

test("nothing is delayed, repeated or scheduled in a queue: time lives in Postgres", () => {
  expect(
    matching(/\bupsertJobScheduler\b|\b(?:delay|repeat|jobScheduler)\s*:/, (file) => running(file) && file.startsWith("packages/adapters/queue/")),
  ).toEqual([]);
});

test("no test is focused, and none is skipped without saying why", () => {
  expect(matching(/\b(?:test|describe|it)\.(?:only|skip)\(/, (file) => file.includes(".test.") && file !== self)).toEqual([]);
});

test("every package says what its room is for", () => {
  const rooms = files.filter((file) => /^packages\/(?:core|adapters|steps|dev)\/[^/]+\/src\/index\.ts$/.test(file));
  expect(rooms.filter((file) => !read(file).startsWith("/**"))).toEqual([]);
});

test("the floor plan was held against more than a hundred modules", () => {
  const out = execFileSync("npx", ["depcruise", "--config", ".dependency-cruiser.cjs", "--output-type", "json", "apps", "packages"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "ignore"],
  });
  expect((JSON.parse(out) as { summary: { totalCruised: number } }).summary.totalCruised).toBeGreaterThan(100);
}, 120_000);
