import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createQueue } from "@slowboat/queue";
import { type Sql, writeClock } from "@slowboat/store";
import { testDatabase, testRng } from "@slowboat/testkit";
import { chromium, type Locator, type Page } from "playwright-core";
import type { Seeded } from "./seed.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
export const SECRET = "cd".repeat(32);
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

interface Opening {
  readonly width?: number;
  readonly dark?: boolean;
  readonly path?: string;
}

/** The console as it is served, and a browser that looks at it. */
export interface Seeing {
  readonly origin: string;
  open(opening?: Opening): Promise<Page>;
  openAs(who: Seeded, opening?: Opening): Promise<Page>;
  /** Where screenshots are wanted, one is left there. */
  shoot(page: Page, name: string, fullPage?: boolean): Promise<void>;
  close(): Promise<void>;
}

interface Setting {
  readonly nowMs: number;
  /** Of the test's own process: where programs are, and where screenshots are wanted. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  fill(sql: Sql, rng: ReturnType<typeof testRng>): Promise<void>;
}

/** Fills a database of its own, builds the page, serves both and starts a browser. */
export async function openConsole({ nowMs, environment, fill }: Setting): Promise<Seeing> {
  const database = await testDatabase();
  await writeClock(database.store.sql, { realAnchorMs: 0, jobAnchorMs: 0, scale: 1, seenRealMs: nowMs });
  await fill(database.store.sql, testRng(21));
  // The queue's own tables, made before the service asks for them.
  await (await createQueue({ backend: "postgres", url: database.url, max: 1 })).close();
  // Always: a page that was built from older sources would be tested in place of this one.
  execFileSync("npx", ["vite", "build"], { cwd: join(ROOT, "apps/console"), stdio: "ignore" });
  const folder = await mkdtemp(join(tmpdir(), "slowboat-console-"));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const service = fork(join(ROOT, "apps/results-service/src/main.ts"), {
    env: {
      PATH: environment["PATH"],
      DATABASE_URL: database.url,
      SLOWBOAT_DATA_DIR: folder,
      SLOWBOAT_PORT: String(port),
      SLOWBOAT_SECRET: SECRET,
      SLOWBOAT_LOG_LEVEL: "error",
      SLOWBOAT_EMULATED: "1",
    },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await once(service, "message");
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
  const open = async ({ width = 1440, dark = false, path = "/" }: Opening = {}): Promise<Page> => {
    const viewport = { width, height: width < 600 ? 844 : 900 };
    const context = await browser.newContext({ viewport, colorScheme: dark ? "dark" : "light", permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    await page.goto(`${origin}${path}`);
    return page;
  };
  return {
    origin,
    open,
    openAs: async (who, opening = {}) => {
      const page = await open(opening);
      await signIn(page, who.key);
      await page.getByRole("button", { name: "Sign out" }).waitFor();
      return page;
    },
    shoot: async (page, name, fullPage = true) => {
      const shots = environment["SLOWBOAT_SCREENSHOTS"];
      if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage, animations: "disabled" });
    },
    close: async () => {
      await browser.close();
      const ended = once(service, "exit");
      service.kill("SIGTERM");
      await ended;
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
};

export async function signIn(page: Page, withKey: string): Promise<void> {
  await page.getByLabel("API key").fill(withKey);
  await page.getByRole("button", { name: "Show my jobs" }).click();
}

/** The drawer that is open over the page. */
export const panel = (page: Page): Locator => page.getByRole("dialog");

export async function hasSidewaysScroll(page: Page): Promise<boolean> {
  return await page.evaluate(() => {
    const sheets = [document.documentElement, ...document.querySelectorAll("dialog, section")];
    return sheets.some((sheet) => sheet.scrollWidth > sheet.clientWidth);
  });
}
