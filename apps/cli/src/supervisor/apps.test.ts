import { expect, test } from "vitest";
import type { Config } from "../config.ts";
import { appSpecs, type Layout } from "./apps.ts";

const layout: Layout = {
  root: "/root",
  dataDir: "/data",
  databaseUrl: "postgres://db",
  secret: "s",
  emulated: false,
  providerKeys: { GROQ_API_KEY: "groq" },
  clock: () => ({ realAnchorMs: 0, jobAnchorMs: 0, scale: 1 }),
  ports: { intake: 1, results: 2, pool: 3, emulator: 4 },
};
const environments = (config: Partial<Config>): Record<string, Readonly<Record<string, string>>> =>
  Object.fromEntries(appSpecs(layout, { SLOWBOAT_LOG_LEVEL: "info", ...config } as Config, {}).map((spec) => [spec.name, spec.env]));

test.each([
  ["scheduler", { SLOWBOAT_CALL_CONCURRENCY: 7 }, "7"],
  ["scheduler", { SLOWBOAT_ENQUEUED_TOKENS: "{}" }, "{}"],
  ["scheduler", { SLOWBOAT_LANES: "/lanes.ts" }, "/lanes.ts"],
  ["intake-api", { SLOWBOAT_LANES: "/lanes.ts" }, "/lanes.ts"],
  ["intake-api", { SLOWBOAT_BACKLOG_MAX: 9 }, "9"],
  ["intake-api", { SLOWBOAT_ENQUEUED_TOKENS: "{}" }, "{}"],
  ["intake-api", { OPENAI_WEBHOOK_SECRET: "whsec_x" }, "whsec_x"],
  ["gpu-worker", { SLOWBOAT_POOL_THREADS: 2 }, "2"],
  ["results-service", { SLOWBOAT_PROVIDERS: "/providers.json" }, "/providers.json"],
] as const)("the %s hears of a setting of the installation: %o", (app, config, value) => {
  const [name] = Object.keys(config) as [string];
  expect(environments(config as Partial<Config>)[app]?.[name]).toBe(value);
  expect(environments({})[app]).not.toHaveProperty(name);
});

test("provider keys reach only the services that talk to providers", () => {
  const seen = environments({ OPENAI_API_KEY: "sk" } as Partial<Config>);
  const holders = Object.entries(seen).filter(([, env]) => "OPENAI_API_KEY" in env || "GROQ_API_KEY" in env);
  expect(holders.map(([name]) => name).sort()).toEqual(["intake-api", "scheduler"]);
});
