import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serviceArguments } from "@slowboat/runtime";
import { type Child, startChild } from "./child.ts";
import type { Ground } from "./ground.ts";
import { freePort } from "./ports.ts";

const ROOT = fileURLToPath(new URL("../../../../../", import.meta.url));

/** The upstream of a stack whose lanes open no socket. */
export const NOWHERE = "http://127.0.0.1:9";

/** How the apps are set up. */
export interface AppsOptions {
  /** Origin of what stands for OpenAI. */
  readonly upstreamUrl: string;
  /** Path of a module of lanes that take the place of the built-in ones. */
  readonly lanesModule?: string;
  /** What the upstream signs its announcements of batches with; without it the intake API takes none. */
  readonly webhookSecret?: string;
  /** True where it stands for Anthropic as well. */
  readonly anthropic?: boolean;
  readonly redisUrl?: string;
  /** Exact `host:port` pairs that webhooks may go to although they are private. */
  readonly callbackAllow?: readonly string[];
  readonly profileDir: string | null;
  /** True for an installation that runs models of its own: one more process, which the scheduler and the intake API are told of. */
  readonly pool?: boolean;
}

/** The services of an installation as processes, as the supervisor starts them. */
export interface Apps {
  /** Origin of the intake API. */
  readonly url: string;
  readonly intake: Child;
  readonly scheduler: Child;
  /** Ends the intake API and starts a fresh one on the same port. */
  renewIntake(): Promise<Child>;
  stop(): Promise<void>;
}

/** The emulator of both providers on the ground's clock; answering at once unless `args` say otherwise. */
export async function startEmulator(
  ground: Ground,
  args: readonly string[] = ["--latency", "instant"],
): Promise<{ readonly url: string; readonly child: Child }> {
  const main = join(ROOT, "packages/dev/emulator/src/main.ts");
  const { scale, anchorMs } = ground.clock;
  const clock = scale === 1 ? [] : ["--scale", String(scale), "--real-anchor-ms", String(anchorMs), "--job-anchor-ms", String(anchorMs)];
  const child = await startChild({ main, args: ["--port", "0", ...clock, ...args], env: {}, logPath: join(ground.dir, "logs", "emulator.log") });
  return { url: `http://127.0.0.1:${String(child.ready["port"])}`, child };
}

/** Starts intake API, scheduler and results service on the ground. */
export async function startApps(ground: Ground, options: AppsOptions): Promise<Apps> {
  const port = await freePort();
  const base = {
    DATABASE_URL: ground.postgres.socketUrl,
    ...(options.redisUrl === undefined ? {} : { REDIS_URL: options.redisUrl }),
    SLOWBOAT_DATA_DIR: ground.dir,
    SLOWBOAT_HOST: "127.0.0.1",
    SLOWBOAT_SECRET: ground.secret,
    SLOWBOAT_EMULATED: "1",
    ...(options.lanesModule === undefined ? {} : { SLOWBOAT_LANES: options.lanesModule }),
    SLOWBOAT_CALLBACK_ALLOW: (options.callbackAllow ?? []).join(","),
  };
  const anthropic = { ANTHROPIC_API_KEY: "bench", ANTHROPIC_BASE_URL: options.upstreamUrl };
  const poolPort = options.pool ? String(await freePort()) : null;
  const pool = poolPort === null ? {} : { SLOWBOAT_POOL_URL: `http://127.0.0.1:${poolPort}` };
  const providers = { OPENAI_API_KEY: "bench", OPENAI_BASE_URL: `${options.upstreamUrl}/v1`, ...(options.anthropic ? anthropic : {}), ...pool };
  const start = (name: string, env: Readonly<Record<string, string>>): Promise<Child> =>
    startChild({
      main: join(ROOT, "apps", name, "src/main.ts"),
      nodeArgs: serviceArguments(name),
      env: { ...base, ...env },
      logPath: join(ground.dir, "logs", `${name}.log`),
      profileDir: options.profileDir,
    });
  const started: Child[] = [];
  const startIntake = (): Promise<Child> =>
    start("intake-api", {
      ...providers,
      SLOWBOAT_PORT: String(port),
      ...(options.webhookSecret === undefined ? {} : { OPENAI_WEBHOOK_SECRET: options.webhookSecret }),
    });
  let intake: Child | null = null;
  const stop = async (): Promise<void> => {
    await intake?.stop();
    for (const child of started.reverse()) await child.stop();
  };
  try {
    if (poolPort !== null) started.push(await start("gpu-worker", { SLOWBOAT_PORT: poolPort }));
    intake = await startIntake();
    const scheduler = await start("scheduler", providers);
    started.push(scheduler);
    started.push(await start("results-service", { SLOWBOAT_PORT: String(await freePort()) }));
    return {
      url: `http://127.0.0.1:${port}`,
      intake,
      scheduler,
      renewIntake: async () => {
        await intake?.stop();
        intake = await startIntake();
        return intake;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
