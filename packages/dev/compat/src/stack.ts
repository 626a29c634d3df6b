import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Invoice, startEmulator } from "@slowboat/emulator";
import { createKey, createTenant } from "@slowboat/intake";
import { systemRng } from "@slowboat/runtime";
import { writeClock } from "@slowboat/store";
import { testDatabase, until } from "@slowboat/testkit";
import { openRelay, type Relay } from "./relay.ts";
import { type Target, witnessOf } from "./target.ts";

/** Our API as a whole installation, with what a test must see of its inside. */
export interface Stack extends Target {
  /** What went to the provider, and its place to be taken. */
  readonly provider: Relay;
  /** Another tenant's key. */
  newKey(): Promise<string>;
  /** The provider's bill. */
  invoice(): Promise<Invoice>;
}

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const SECRET = "c".repeat(64);
/** Job time runs so much faster: a provider's batch is polled and ends within a second. */
const SCALE = 480;
const READY_MS = 60_000;
const PASS_MS = 60_000;

/**
 * Starts intake, scheduler and results service as the processes they are, on a database of their own, with the emulator behind a relay
 * as their provider. Works in `*.db.test.ts`.
 */
export async function startStack(): Promise<Stack> {
  const database = await testDatabase();
  const nowMs = Date.now();
  const clock = { realAnchorMs: nowMs, jobAnchorMs: nowMs, scale: SCALE };
  await writeClock(database.store.sql, { ...clock, seenRealMs: nowMs });
  const emulator = await startEmulator({ latency: "instant", clock });
  const provider = await openRelay(emulator.url);
  const dir = await mkdtemp(join(tmpdir(), "slowboat-compat-"));
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    SLOWBOAT_DATA_DIR: dir,
    SLOWBOAT_HOST: "127.0.0.1",
    SLOWBOAT_PORT: "0",
    SLOWBOAT_SECRET: SECRET,
    SLOWBOAT_EMULATED: "1",
    OPENAI_API_KEY: "sk-provider",
    OPENAI_BASE_URL: `${provider.url}/v1`,
    ANTHROPIC_API_KEY: "sk-ant-provider",
    ANTHROPIC_BASE_URL: provider.url,
  };
  const apps = ["intake-api", "scheduler", "results-service"].map((name) => startApp(name, env));
  await Promise.all(apps.map((app) => app.ready));
  const listening = (): string | undefined => /"port":(\d+)[^\n]*"api-listening"/.exec(apps[0]?.said() ?? "")?.[1];
  await until(async () => listening() !== undefined, "the intake says where it listens");
  const rng = systemRng();
  let tenants = 0;
  const newKey = async (): Promise<string> => {
    const tenantId = await createTenant(database.store.sql, { name: `tenant ${++tenants}`, nowMs, rng });
    const made = await createKey(database.store.sql, { tenantId, name: "test", secret: SECRET, nowMs, rng });
    return made?.key ?? "";
  };
  return {
    name: "slowboat",
    url: `http://127.0.0.1:${listening()}`,
    key: await newKey(),
    witness: witnessOf("slowboat"),
    provider,
    scale: SCALE,
    newKey,
    invoice: emulator.invoice,
    passUntil: (done, what) => until(done, what, PASS_MS),
    faults: emulator.addFaults,
    calm: async () => void (await fetch(`${emulator.url}/emulator/faults`, { method: "DELETE" })),
    charges: async () => (await emulator.invoice()).lines.filter((line) => line.batchId === null).length,
    stop: async () => {
      await Promise.all(apps.map((app) => app.stop()));
      await provider.close();
      await emulator.stop();
      await database.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface App {
  readonly ready: Promise<void>;
  /** The end of its log, which may lag behind. */
  said(): string;
  stop(): Promise<void>;
}

/** An app as a process of its own, which ends with this one. */
function startApp(name: string, env: NodeJS.ProcessEnv): App {
  const child: ChildProcess = fork(join(ROOT, "apps", name, "src/main.ts"), [], { env, execArgv: [], stdio: ["ignore", "pipe", "pipe", "ipc"] });
  let said = "";
  const hear = (text: Buffer): void => {
    said = `${said}${text}`.slice(-100_000);
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  const ended = new Promise<void>((done) => child.once("exit", () => done()));
  const ready = new Promise<void>((isReady, failed) => {
    const slow = setTimeout(() => failed(new Error(`${name} is not ready: ${said}`)), READY_MS);
    void ended.then(() => failed(new Error(`${name} ended: ${said}`)));
    child.once("message", () => {
      clearTimeout(slow);
      isReady();
    });
  });
  return {
    ready,
    said: () => said,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
