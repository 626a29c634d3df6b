import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { defineConfig } from "vitest/config";

const POSTGRES = "packages/dev/testkit/src/global-setup.ts";
const FLUSHING = "apps/cli/src/chaos/*.redis.test.ts";
const NEVER = ["**/node_modules/**", "**/dist/**"];
const tests = (kind: string): string[] => [`apps/**/*.${kind}.test.ts`, `packages/**/*.${kind}.test.ts`, `infra/**/*.${kind}.test.ts`];

const onPath = (program: string): boolean => (process.env["PATH"] ?? "").split(delimiter).some((dir) => existsSync(join(dir, program)));

const skipped: string[] = [];
const suite = (name: string, possible: boolean, why: string): string[] => {
  if (!possible) skipped.push(`THE ${name.toUpperCase()} SUITE DID NOT RUN: ${why}`);
  return possible ? [] : ["**/*"];
};

const noRedis = suite(
  "redis",
  Boolean(process.env["REDIS_URL"]) || onPath("redis-server") || onPath("valkey-server"),
  "REDIS_URL is not set and neither redis-server nor valkey-server is on the PATH",
);
const noBrowser = suite("browser", existsSync("/usr/bin/chromium"), "/usr/bin/chromium is not there");

// Said last, where it is read.
process.on("exit", () => {
  for (const line of skipped) process.stderr.write(`\n!!! ${line}\n`);
});

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{apps,packages,infra}/**/*.test.ts"],
          exclude: [...NEVER, "**/*.{db,redis,browser}.test.ts", "**/*.db.prop.test.ts", "packages/dev/tidy/**"],
        },
      },
      { extends: true, test: { name: "db", include: [...tests("db"), ...tests("db.prop")], exclude: NEVER, globalSetup: POSTGRES } },
      {
        extends: true,
        test: {
          name: "redis",
          include: tests("redis"),
          exclude: [...NEVER, FLUSHING, ...noRedis],
          globalSetup: [POSTGRES, "packages/dev/testkit/src/redis-setup.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "redis-flushed",
          include: [FLUSHING],
          exclude: [...NEVER, ...noRedis],
          globalSetup: [POSTGRES, "packages/dev/testkit/src/redis-setup.ts"],
          // It empties the server, which may be the other suite's as well: it runs when everything else is over.
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: "browser", include: tests("browser"), exclude: [...NEVER, ...noBrowser], globalSetup: POSTGRES, testTimeout: 60_000 },
      },
      { extends: true, test: { name: "tidy", include: ["packages/dev/tidy/**/*.test.ts"], exclude: NEVER } },
    ],
  },
});
