import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createKey, createTenant } from "@slowboat/intake";
import { newId } from "@slowboat/kernel";
import { createQueue } from "@slowboat/queue";
import { orm, postLedger, table, writeClock } from "@slowboat/store";
import { type TestDatabase, testDatabase, testRng } from "@slowboat/testkit";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const SECRET = "cd".repeat(32);
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const rng = testRng(21);
const nowMs = Date.now();

let database: TestDatabase;
let service: ChildProcess;
let browser: Browser;
let folder: string;
let origin: string;
let key: string;
let tenantId: string;

beforeAll(async () => {
  database = await testDatabase();
  const { sql } = database.store;
  await writeClock(sql, { realAnchorMs: 0, jobAnchorMs: 0, scale: 1, seenRealMs: nowMs });
  tenantId = await createTenant(sql, { name: "default", nowMs, rng });
  const made = await createKey(sql, { tenantId, name: "test", secret: SECRET, nowMs, rng });
  key = made?.key ?? "";
  await seedJobs(made?.keyId ?? "");
  // The queue's own tables, made before the service asks for them.
  await (await createQueue({ backend: "postgres", url: database.url, max: 1 })).close();
  if (!existsSync(join(ROOT, "apps/console/dist/index.html")))
    execFileSync("npx", ["vite", "build"], { cwd: join(ROOT, "apps/console"), stdio: "ignore" });
  folder = await mkdtemp(join(tmpdir(), "slowboat-console-"));
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  service = fork(join(ROOT, "apps/results-service/src/main.ts"), {
    env: {
      PATH: process.env["PATH"],
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
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  const ended = once(service, "exit");
  service.kill("SIGTERM");
  await ended;
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
};

async function seedJobs(keyId: string): Promise<void> {
  const { sql } = database.store;
  for (const [index, state] of (["completed", "completed", "failed", "accepted"] as const).entries()) {
    const id = newId("job", nowMs - 10_000 + index, rng);
    await orm(sql)
      .insert(table.job)
      .values({
        id,
        tenantId,
        keyId,
        surface: "native",
        endpoint: "/v1/chat/completions",
        provider: "openai",
        model: "gpt-5-mini",
        baselineModel: "gpt-5-mini",
        state,
        lane: state === "accepted" ? null : "openai-batch",
        body: "{}",
        bodyBytes: 2,
        inputTokensEst: 1,
        outputTokensEst: 1,
        acceptedAtMs: nowMs - 600_000,
        deadlineAtMs: nowMs + 3_600_000,
        endedAtMs: state === "accepted" ? null : nowMs - 60_000,
      });
    if (state !== "completed") continue;
    const attemptId = newId("attempt", nowMs, rng);
    const entries = [
      { account: "list", amountNano: -450_000n },
      { account: "saving.batch", amountNano: 225_000n },
      { account: "payable.openai", amountNano: 225_000n },
    ];
    await postLedger(
      sql,
      [
        {
          id: `settle:${attemptId}`,
          kind: "settle",
          tenantId,
          jobId: id,
          attemptId,
          lane: "openai-batch",
          model: "gpt-5-mini",
          pricesVersion: "v",
          digest: "d",
          emulated: true,
          priced: true,
          entries,
        },
      ],
      nowMs - 60_000,
    );
  }
}

async function open(options: { width: number; dark?: boolean }): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: options.width, height: 900 }, colorScheme: options.dark ? "dark" : "light" });
  const page = await context.newPage();
  await page.goto(origin);
  return page;
}

async function signIn(page: Page, withKey: string): Promise<void> {
  await page.getByLabel("API key").fill(withKey);
  await page.getByRole("button", { name: "Show my jobs" }).click();
}

test("a key that is not known is said to be so, and nothing is shown", async () => {
  const page = await open({ width: 1200 });
  await signIn(page, "slowboat_live_wrong");
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").textContent()).toContain("not known");
  expect(await page.getByText("list price").count()).toBe(0);
  await page.context().close();
});

test("the waterfall shows the ledger's figures to the nano-dollar, and the page says that no money is spent", async () => {
  const page = await open({ width: 1200 });
  await signIn(page, key);
  const savings = page.getByRole("region", { name: "Savings" });
  await savings.waitFor();
  const cells = await savings.locator("tr").evaluateAll((rows) => rows.map((row) => [...row.children].slice(0, 2).map((cell) => cell.textContent)));
  expect(cells).toEqual([
    ["list price", "$0.0009"],
    ["batch lanes", "−$0.00045"],
    ["paid", "$0.00045"],
  ]);
  expect(await page.getByText("emulated provider: no money is spent").count()).toBe(1);
  expect(await page.getByRole("region", { name: "Jobs" }).locator("tbody tr").count()).toBe(4);
  expect(await page.getByRole("region", { name: "Lanes" }).locator("tbody tr").count()).toBe(2);
  if (process.env["SLOWBOAT_SCREENSHOTS"]) await page.screenshot({ path: join(process.env["SLOWBOAT_SCREENSHOTS"], "console.png"), fullPage: true });
  await page.context().close();
});

test("a filter stands in the address and narrows the list", async () => {
  const page = await open({ width: 1200 });
  await signIn(page, key);
  await page.getByLabel("state").selectOption("failed");
  await page.waitForFunction(() => document.querySelectorAll("[aria-labelledby=jobs-title] tbody tr").length === 1);
  expect(new URL(page.url()).searchParams.get("state")).toBe("failed");
  await page.context().close();
});

test("a narrow dark screen has no sideways scroll", async () => {
  const page = await open({ width: 390, dark: true });
  await signIn(page, key);
  await page.getByRole("region", { name: "Jobs" }).waitFor();
  const [scroll, width] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  expect(scroll).toBeLessThanOrEqual(width ?? 0);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(ground).toBe("rgb(20, 23, 26)");
  if (process.env["SLOWBOAT_SCREENSHOTS"]) await page.screenshot({ path: join(process.env["SLOWBOAT_SCREENSHOTS"], "narrow.png"), fullPage: true });
  await page.context().close();
});
