import { join } from "node:path";
import type { ClockRow } from "@slowboat/kernel";
import type { Config } from "../config.ts";
import type { AppSpec } from "./child.ts";

/** Where everything of a stack listens and lies. */
export interface Layout {
  readonly root: string;
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly secret: string;
  readonly emulated: boolean;
  /** The keys of configured providers, by the names of their variables. */
  readonly providerKeys: Readonly<Record<string, string>>;
  /** The clock row that counts now. */
  readonly clock: () => ClockRow;
  readonly ports: { readonly intake: number; readonly results: number; readonly pool: number; readonly emulator: number };
}

const HOST = "127.0.0.1";

/** The apps in the order of their start. Provider keys reach only those that talk to providers. */
export function appSpecs(layout: Layout, config: Config, plain: Readonly<Record<string, string>>): AppSpec[] {
  const { ports } = layout;
  const base: Record<string, string> = {
    ...plain,
    DATABASE_URL: layout.databaseUrl,
    ...(config.REDIS_URL === undefined ? {} : { REDIS_URL: config.REDIS_URL }),
    SLOWBOAT_DATA_DIR: layout.dataDir,
    SLOWBOAT_HOST: HOST,
    SLOWBOAT_SECRET: layout.secret,
    SLOWBOAT_LOG_LEVEL: config.SLOWBOAT_LOG_LEVEL,
    ...(config.SLOWBOAT_RETENTION_DAYS === undefined ? {} : { SLOWBOAT_RETENTION_DAYS: String(config.SLOWBOAT_RETENTION_DAYS) }),
    ...(config.SLOWBOAT_PROVIDERS === undefined ? {} : { SLOWBOAT_PROVIDERS: config.SLOWBOAT_PROVIDERS }),
    ...(config.SLOWBOAT_LANES === undefined ? {} : { SLOWBOAT_LANES: config.SLOWBOAT_LANES }),
    ...(config.SLOWBOAT_CACHE_MEMORY_MB === undefined ? {} : { SLOWBOAT_CACHE_MEMORY_MB: String(config.SLOWBOAT_CACHE_MEMORY_MB) }),
    SLOWBOAT_EMULATED: layout.emulated ? "1" : "0",
    SLOWBOAT_POOL_URL: `http://${HOST}:${ports.pool}`,
    ...(config.SLOWBOAT_CALLBACK_ALLOW === undefined ? {} : { SLOWBOAT_CALLBACK_ALLOW: config.SLOWBOAT_CALLBACK_ALLOW }),
  };
  const providers = providerEnvironment(layout, config);
  const app = (name: string, main: string, more: Record<string, string>, args: AppSpec["args"] = () => []): AppSpec => ({
    name,
    main: join(layout.root, main),
    args,
    env: { ...base, ...more },
    logPath: join(layout.dataDir, "logs", `${name}.log`),
  });
  const anchors = (): string[] => {
    const { realAnchorMs, jobAnchorMs, scale } = layout.clock();
    return ["--real-anchor-ms", String(realAnchorMs), "--job-anchor-ms", String(jobAnchorMs), "--scale", String(scale)];
  };
  const emulator: AppSpec = {
    ...app("emulator", "packages/dev/emulator/src/main.ts", {}, () => [
      "--port",
      String(ports.emulator),
      "--journal",
      join(layout.dataDir, "emulator.journal"),
      ...anchors(),
    ]),
    // It stands for another company's machine: it gets nothing of ours but its place and the time.
    env: { ...plain },
  };
  return [
    ...(layout.emulated ? [emulator] : []),
    app("gpu-worker", "apps/gpu-worker/src/main.ts", {
      SLOWBOAT_PORT: String(ports.pool),
      ...(config.SLOWBOAT_POOL_THREADS === undefined ? {} : { SLOWBOAT_POOL_THREADS: String(config.SLOWBOAT_POOL_THREADS) }),
    }),
    app("intake-api", "apps/intake-api/src/main.ts", {
      SLOWBOAT_PORT: String(ports.intake),
      ...providers,
      ...(config.SLOWBOAT_ENQUEUED_TOKENS === undefined ? {} : { SLOWBOAT_ENQUEUED_TOKENS: config.SLOWBOAT_ENQUEUED_TOKENS }),
      ...(config.OPENAI_WEBHOOK_SECRET === undefined ? {} : { OPENAI_WEBHOOK_SECRET: config.OPENAI_WEBHOOK_SECRET }),
      ...(config.SLOWBOAT_CALL_CONCURRENCY === undefined ? {} : { SLOWBOAT_CALL_CONCURRENCY: String(config.SLOWBOAT_CALL_CONCURRENCY) }),
      ...(config.SLOWBOAT_BACKLOG_MAX === undefined ? {} : { SLOWBOAT_BACKLOG_MAX: String(config.SLOWBOAT_BACKLOG_MAX) }),
    }),
    app("scheduler", "apps/scheduler/src/main.ts", {
      ...providers,
      ...(config.SLOWBOAT_SHADOW_POLICY === undefined ? {} : { SLOWBOAT_SHADOW_POLICY: config.SLOWBOAT_SHADOW_POLICY }),
      ...(config.SLOWBOAT_ENQUEUED_TOKENS === undefined ? {} : { SLOWBOAT_ENQUEUED_TOKENS: config.SLOWBOAT_ENQUEUED_TOKENS }),
      ...(config.SLOWBOAT_CALL_CONCURRENCY === undefined ? {} : { SLOWBOAT_CALL_CONCURRENCY: String(config.SLOWBOAT_CALL_CONCURRENCY) }),
    }),
    app("results-service", "apps/results-service/src/main.ts", {
      SLOWBOAT_PORT: String(ports.results),
      SLOWBOAT_URL: `http://${HOST}:${ports.intake}`,
    }),
  ];
}

/** With one provider's key set the other provider is absent, never emulated. */
function providerEnvironment(layout: Layout, config: Config): Record<string, string> {
  if (layout.emulated) {
    const at = `http://${HOST}:${layout.ports.emulator}`;
    return { OPENAI_API_KEY: "emulated", OPENAI_BASE_URL: `${at}/v1`, ANTHROPIC_API_KEY: "emulated", ANTHROPIC_BASE_URL: at };
  }
  const names = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"] as const;
  return { ...layout.providerKeys, ...Object.fromEntries(names.flatMap((name) => (config[name] === undefined ? [] : [[name, config[name]]]))) };
}
