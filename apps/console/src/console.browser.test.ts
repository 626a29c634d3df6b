import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createQueue } from "@slowboat/queue";
import { writeClock } from "@slowboat/store";
import { type TestDatabase, testDatabase, testRng } from "@slowboat/testkit";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Night, type Seeded, seedChain, seedNight, seedOld, seedOwner } from "./testing/seed.ts";

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
const nowMs = Date.now();

let database: TestDatabase;
let service: ChildProcess;
let browser: Browser;
let folder: string;
let origin: string;
let owner: Seeded;
let past: Seeded;
let idle: Seeded;
let night: Night;
let chained: Seeded;
let chain: Awaited<ReturnType<typeof seedChain>>;

beforeAll(async () => {
  database = await testDatabase();
  const { sql } = database.store;
  await writeClock(sql, { realAnchorMs: 0, jobAnchorMs: 0, scale: 1, seenRealMs: nowMs });
  const seeding = { sql, secret: SECRET, nowMs, rng: testRng(21) };
  owner = await seedOwner(seeding, "default");
  night = await seedNight(seeding, owner);
  past = await seedOwner(seeding, "past");
  await seedOld(seeding, past);
  idle = await seedOwner(seeding, "idle");
  chained = await seedOwner(seeding, "chained");
  chain = await seedChain(seeding, chained);
  // The queue's own tables, made before the service asks for them.
  await (await createQueue({ backend: "postgres", url: database.url, max: 1 })).close();
  // Always: a page that was built from older sources would be tested in place of this one.
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

interface Opening {
  readonly width?: number;
  readonly dark?: boolean;
  readonly path?: string;
}

async function open({ width = 1440, dark = false, path = "/" }: Opening = {}): Promise<Page> {
  const viewport = { width, height: width < 600 ? 844 : 900 };
  const context = await browser.newContext({ viewport, colorScheme: dark ? "dark" : "light", permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  await page.goto(`${origin}${path}`);
  return page;
}

async function signIn(page: Page, withKey: string): Promise<void> {
  await page.getByLabel("API key").fill(withKey);
  await page.getByRole("button", { name: "Show my jobs" }).click();
}

async function openAs(who: Seeded, opening: Opening = {}): Promise<Page> {
  const page = await open(opening);
  await signIn(page, who.key);
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return page;
}

const panel = (page: Page): Locator => page.getByRole("dialog");

/** Where screenshots are wanted, one is left there. */
async function shoot(page: Page, name: string, fullPage = true): Promise<void> {
  const folder = process.env["SLOWBOAT_SCREENSHOTS"];
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage, animations: "disabled" });
}

async function hasSidewaysScroll(page: Page): Promise<boolean> {
  return await page.evaluate(() => {
    const sheets = [document.documentElement, ...document.querySelectorAll("dialog, section")];
    return sheets.some((sheet) => sheet.scrollWidth > sheet.clientWidth);
  });
}

test("a key that is not known stays in its field, which says why and has the focus", async () => {
  const page = await open();
  await shoot(page, "login-d");
  await signIn(page, "slowboat_live_wrong");
  await page.getByRole("alert").waitFor();
  const field = page.getByLabel("API key");
  expect(await page.getByRole("alert").textContent()).toContain("not known");
  expect(await field.inputValue()).toBe("slowboat_live_wrong");
  expect(await field.getAttribute("aria-invalid")).toBe("true");
  const said = (await field.getAttribute("aria-describedby")) ?? "";
  expect(await page.locator(`#${said.split(" ")[0]}`).textContent()).toContain("not known");
  await page.waitForFunction(() => document.activeElement?.id === "key");
  expect(await page.getByText("api-key.json").count()).toBe(1);
  expect(await page.getByText("list price").count()).toBe(0);
  await shoot(page, "wrong-d");
  await page.context().close();
});

test("a server that does not answer is said in words, and can be tried again", async () => {
  const page = await open();
  await page.context().setOffline(true);
  await signIn(page, owner.key);
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").textContent()).toContain("Slowboat does not answer");
  expect(await page.getByText("Failed to fetch").count()).toBe(0);
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("region", { name: "Savings" }).waitFor();
  await page.context().close();
});

test("the waterfall shows the ledger's figures to the nano-dollar, and the page says that no money is spent", async () => {
  const page = await openAs(owner);
  const savings = page.getByRole("region", { name: "Savings" });
  const cells = await savings
    .locator("tbody tr")
    .evaluateAll((rows) => rows.map((row) => [...row.children].slice(0, 3).map((cell) => cell.textContent)));
  expect(cells).toEqual([
    ["list price", "$0.00180", "100.0 %"],
    ["cache and dedupe", "−$0.00045", "−25.0 %"],
    ["batch lanes", "−$0.00045", "−25.0 %"],
    ["waste", "+$0.00006", "+3.3 %"],
    ["paid", "$0.00096", "53.3 %"],
  ]);
  expect(await page.getByText("emulated provider: no money is spent").count()).toBe(1);
  expect(await page.getByRole("region", { name: "Jobs" }).locator("tbody tr").count()).toBe(6);
  expect(await page.getByRole("region", { name: "Lanes" }).locator("tbody tr").count()).toBe(4);
  await shoot(page, "page-d");
  await shoot(page, "page-top-d", false);
  await page.context().close();
});

test("a missed deadline in the rows is a missed one in the totals", async () => {
  const page = await openAs(owner);
  const tile = page.locator(".tiles > div", { hasText: "Deadlines met" });
  expect(await tile.textContent()).toContain("1 missed");
  expect(await tile.textContent()).not.toContain("none missed");
  expect(await page.getByRole("cell", { name: "missed by 6 min" }).count()).toBe(1);
  await page.context().close();
});

test("a column of figures has one number of decimals, under a heading on the same side", async () => {
  const page = await openAs(owner);
  const jobs = page.getByRole("region", { name: "Jobs" });
  const paid = await jobs.locator("tbody td:last-child").allTextContents();
  const decimals = new Set(paid.filter((text) => text.includes("$")).map((text) => text.split(".")[1]?.length));
  expect(decimals.size).toBe(1);
  const sides = await page.evaluate(() =>
    [...document.querySelectorAll("table.cards")].flatMap((one) => {
      const heads = [...one.querySelectorAll("thead th")];
      return [...one.querySelectorAll("tbody tr:first-child > *")].map((cell, at) => [
        getComputedStyle(cell).textAlign,
        heads[at] === undefined ? "" : getComputedStyle(heads[at]).textAlign,
      ]);
    }),
  );
  for (const [cell, head] of sides) expect(head).toBe(cell);
  await page.context().close();
});

test("a job that another model answered says which, why, and what that changed of the request", async () => {
  const page = await openAs(chained);
  await page.getByTitle(chain.answered, { exact: true }).click();
  const shown = panel(page);
  await shown.getByText("stands in: gpt-5-mini cannot answer (openai: its provider is failing").waitFor();
  expect(await shown.locator(".aside li").allTextContents()).toEqual(["seed: is left out", "max_tokens: 8192 is added"]);
  expect(await shown.getByRole("definition").filter({ hasText: "claude-haiku-4-5" }).count()).toBe(1);
  expect(await shown.getByRole("cell", { name: "anthropic claude-haiku-4-5" }).count()).toBe(1);
  expect(await hasSidewaysScroll(page)).toBe(false);
  await shoot(page, "fallback-d", false);
  await page.context().close();
});

test("a job that is held says what it waits for and when it is looked at again, on a phone too", async () => {
  for (const width of [1440, 390]) {
    const page = await openAs(chained, { width });
    await page.getByTitle(chain.waits, { exact: true }).click();
    const note = panel(page).locator(".aside");
    await note.waitFor();
    expect(await note.textContent()).toMatch(
      /^waits openai-batch: .*900,000 tokens that may be enqueued.*; the scheduler looks again at .* at the latest$/,
    );
    expect(await hasSidewaysScroll(page)).toBe(false);
    await shoot(page, `waits-${width}`, false);
    await page.context().close();
  }
});

test("a job opens by the keyboard, shows its decision, attempts and receipt, and gives the focus back", async () => {
  const page = await openAs(owner);
  const opener = page.getByTitle(night.batched, { exact: true });
  await opener.focus();
  await page.keyboard.press("Enter");
  await panel(page).getByRole("heading", { name: "Decision" }).waitFor();
  expect(new URL(page.url()).searchParams.get("open")).toBe(night.batched);
  const text = (await panel(page).textContent()) ?? "";
  for (const word of [night.batched, "least expected cost", "does not serve the model", "97.0 %", "$0.000225", "1,324 in, 94 out"])
    expect(text).toContain(word);
  expect(text).toContain("emulated provider: no money is spent");
  const bars = panel(page).locator(".timeline tbody tr");
  const [waits, tries] = [await bars.nth(0).textContent(), await bars.nth(1).textContent()];
  expect([waits?.startsWith("waits"), tries?.startsWith("1, try on ")]).toEqual([true, true]);
  expect(await bars.nth(1).locator("rect.answered").count()).toBe(1);
  expect(await bars.nth(1).locator("line.deadline").count()).toBe(1);
  await shoot(page, "job-d", false);
  await page.keyboard.press("Escape");
  await page.waitForURL(`${origin}/`);
  expect(await panel(page).count()).toBe(0);
  expect(await opener.evaluate((button) => button === document.activeElement)).toBe(true);
  await page.context().close();
});

test("an id is copied whole, and it is said", async () => {
  const page = await openAs(owner);
  for (const id of [night.batched, night.refused]) {
    const copy = page.getByRole("button", { name: `copy ${id}` });
    await copy.click();
    await copy.getByText("copied").waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(id);
  }
  expect(await panel(page).count()).toBe(0);
  await page.context().close();
});

test("a batch that was refused shows its reason in the row and every bad line in its panel", async () => {
  const page = await openAs(owner);
  const row = page.getByRole("region", { name: "Batches" }).locator("tbody tr", { hasText: "failed" });
  expect(await row.textContent()).toContain("refused, line 3: invalid json line (and 2 more)");
  // Anywhere in the row, as people click.
  await row.getByText("refused, line 3").click();
  await panel(page).getByRole("heading", { name: "Why it was refused" }).waitFor();
  const lines = await panel(page)
    .locator(".faults tbody tr")
    .evaluateAll((rows) => rows.map((one) => [...one.children].slice(0, 2).map((cell) => cell.textContent)));
  expect(lines).toEqual([
    ["3", "invalid_json_line"],
    ["7", "duplicate_custom_id"],
    ["12", "model_not_found"],
  ]);
  expect(await panel(page).getByText("the nearest known is 'gpt-5-mini'").count()).toBe(1);
  await shoot(page, "refused-d", false);
  await page.getByRole("button", { name: "Close" }).click();
  await panel(page).waitFor({ state: "detached" });
  await page.context().close();
});

test("a batch leads to its jobs", async () => {
  const page = await openAs(owner, { path: `/?open=${night.finished}` });
  await shoot(page, "batch-d", false);
  await panel(page).getByRole("button", { name: "Show its 2 jobs" }).click();
  await page.waitForFunction(() => document.querySelectorAll("[aria-labelledby=jobs-title] tbody tr").length === 2);
  expect(new URL(page.url()).searchParams.get("batch")).toBe(night.finished);
  await page.waitForFunction(() => (document.getElementById("jobs-title")?.getBoundingClientRect().bottom ?? 1e9) < innerHeight);
  await page.context().close();
});

test("the window is named, widens to where there is work, and stays as it was chosen", async () => {
  const page = await openAs(past);
  await page.getByText("Totals of the last 7 days of job time").waitFor();
  expect(await page.getByRole("region", { name: "Jobs" }).locator("tbody tr").count()).toBe(1);
  await page.getByRole("radio", { name: "24 h" }).check({ force: true });
  await page.getByRole("heading", { name: "Nothing in the last 24 hours of job time" }).waitFor();
  expect(new URL(page.url()).searchParams.get("window")).toBe("24h");
  expect(await page.getByRole("table").count()).toBe(0);
  await shoot(page, "window-d");
  await page.getByRole("button", { name: "Show all of it" }).click();
  await page.getByText("Totals of all time").waitFor();
  expect(await page.getByRole("region", { name: "Lanes" }).locator("tbody tr").count()).toBe(1);
  await page.context().close();
});

test("where nothing was ever sent, the commands that send something stand alone", async () => {
  const page = await openAs(idle, { width: 390 });
  await page.getByRole("heading", { name: "No job has been sent yet" }).waitFor();
  expect(await page.getByRole("table").count()).toBe(0);
  expect(await page.locator(".tiles").count()).toBe(0);
  expect(await hasSidewaysScroll(page)).toBe(false);
  expect(await page.evaluate(() => [...document.querySelectorAll("pre")].every((one) => one.scrollWidth <= one.clientWidth))).toBe(true);
  await page.getByRole("button", { name: "copy the curl" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("/v1/jobs \\\n");
  await shoot(page, "empty-m");
  await page.context().close();
});

test("a filter stands in the address and narrows the list", async () => {
  const page = await openAs(owner);
  await page.getByLabel("state").selectOption("failed");
  await page.waitForFunction(() => document.querySelectorAll("[aria-labelledby=jobs-title] tbody tr").length === 1);
  expect(new URL(page.url()).searchParams.get("state")).toBe("failed");
  await page.context().close();
});

test("a narrow dark screen has no sideways scroll, and its waterfall has bars", async () => {
  const page = await openAs(owner, { width: 390, dark: true });
  await page.getByRole("region", { name: "Jobs" }).waitFor();
  expect(await hasSidewaysScroll(page)).toBe(false);
  const bar = await page.locator(".bar svg").first().boundingBox();
  expect(bar?.width).toBeGreaterThan(200);
  expect(bar?.height).toBeGreaterThan(8);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(ground).toBe("rgb(20, 23, 26)");
  await shoot(page, "page-dark-m");
  await shoot(page, "top-dark-m", false);
  await page.getByRole("heading", { name: "Batches" }).scrollIntoViewIfNeeded();
  await shoot(page, "rows-dark-m", false);
  await page.getByTitle(night.batched, { exact: true }).click();
  await panel(page).getByRole("heading", { name: "Decision" }).waitFor();
  expect(await hasSidewaysScroll(page)).toBe(false);
  await shoot(page, "job-dark-m", false);
  await page.context().close();
});

test("a path that is not there is not found, and ids of another tenant are not either", async () => {
  for (const path of ["/jobs", "/nothing.js", "/admin/v1/nothing", "/assets/..%2f..%2fpackage.json"])
    expect((await fetch(`${origin}${path}`)).status, path).toBe(404);
  expect((await fetch(`${origin}/`)).status).toBe(200);
  const as = (who: Seeded, path: string) => fetch(`${origin}/admin/v1${path}`, { headers: { authorization: `Bearer ${who.key}` } });
  for (const path of [`/jobs/${night.batched}`, `/batches/${night.refused}`]) {
    expect((await as(owner, path)).status).toBe(200);
    expect((await as(past, path)).status).toBe(404);
    expect((await fetch(`${origin}/admin/v1${path}`)).status).toBe(401);
  }
});
