import { afterAll, beforeAll, expect, test } from "vitest";
import { hasSidewaysScroll, openConsole, panel, SECRET, type Seeing, signIn } from "./testing/open-console.ts";
import { type Night, type Seeded, seedChain, seedNight, seedOld, seedOwner } from "./testing/seed.ts";
import { type Story, seedStory } from "./testing/seed-story.ts";

const nowMs = Date.now();

let seeing: Seeing;
let open: Seeing["open"];
let openAs: Seeing["openAs"];
let shoot: Seeing["shoot"];
let origin: string;
let owner: Seeded;
let past: Seeded;
let idle: Seeded;
let night: Night;
let chained: Seeded;
let chain: Awaited<ReturnType<typeof seedChain>>;
let story: Story;

beforeAll(async () => {
  const fill: Parameters<typeof openConsole>[0]["fill"] = async (sql, rng) => {
    const seeding = { sql, secret: SECRET, nowMs, rng };
    owner = await seedOwner(seeding, "default");
    night = await seedNight(seeding, owner);
    past = await seedOwner(seeding, "past");
    await seedOld(seeding, past);
    idle = await seedOwner(seeding, "idle");
    chained = await seedOwner(seeding, "chained");
    chain = await seedChain(seeding, chained);
    story = await seedStory(seeding, await seedOwner(seeding, "story"));
  };
  seeing = await openConsole({ nowMs, environment: process.env, fill });
  ({ open, openAs, shoot, origin } = seeing);
}, 120_000);

afterAll(() => seeing.close());

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
  const bars = panel(page).locator(".timeline tbody tr:not(:has(.decided))");
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

test("what was decided on a job is drawn: marks on its line open the lanes that each decision weighed, by the keyboard too", async () => {
  const page = await openAs(story.owner, { path: `/?open=${story.job}` });
  const shown = panel(page);
  await shown.getByRole("heading", { name: "Decisions" }).waitFor();
  const said = await shown.locator(".decisions summary").allTextContents();
  expect(said.map((text) => text.replace(/ \d{4}-.*/, ""))).toEqual([
    "1. held back from openai-batch",
    "2. waits for room on openai-batch",
    "3. placed on openai-batch",
    "4. called back from its batch (rescue)",
    "5. placed on openai (rescue)",
  ]);
  const caption = (await shown.locator(".timeline caption").textContent()) ?? "";
  for (const word of ["its arrival at", "latest start of a rescue", "answer", "deadline"]) expect(caption).toContain(word);
  // The rescue lies after the latest start and before the deadline, and so does its answer.
  const at = async (selector: string) => Number(await shown.locator(`.timeline tbody tr:last-child ${selector}`).getAttribute("x1"));
  const [latest, answer, deadline] = [await at("line.rescue"), await at("line.answer"), await at("line.deadline")];
  expect([latest < answer, answer < deadline]).toEqual([true, true]);
  const marks = shown.locator(".decided button");
  expect(await marks.allTextContents()).toEqual(["1–2", "3", "4–5"]);
  expect(await shown.locator("details[open]").count()).toBe(1);
  await shoot(page, "decisions-d", false);
  await marks.nth(1).focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.textContent?.startsWith("3. placed on openai-batch") === true);
  const placing = shown.locator(".decisions > li").nth(2);
  const rows = await placing.locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
  expect(rows).toEqual([
    ["poolleft out", "none", "none", "none", "none", "does not serve the model"],
    ["anthropic-batchleft out", "none", "none", "none", "none", "denied by the request"],
    ["openai-batchchosen", "$0.0002250", "$0.0002385", "97.0 %", "0.0 %", "in hand before the rescue with 97 %"],
    ["openai-flex", "$0.0002250", "$0.0002475", "99.2 %", "0.1 %", "refused one time in ten"],
    ["openai", "$0.0004500", "$0.0004500", "100.0 %", "0.0 %", "no rescue behind it, in time with 100 %"],
  ]);
  const text = (await placing.textContent()) ?? "";
  for (const word of ["312 on openai-batch", "as 58 batches of yours took", "3 h 30 min", "40 lines"]) expect(text).toContain(word);
  // A bar is a share of the dearest candidate.
  const bars = await placing.locator(".meter.cost span").evaluateAll((all) => all.map((bar) => (bar as HTMLElement).style.width));
  expect(bars).toEqual(["53%", "55%", "100%"]);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".decisions details[open]").length === 1);
  await page.context().close();
});

test("the decisions of a job fit a narrow dark screen", async () => {
  const page = await openAs(story.owner, { path: `/?open=${story.job}`, width: 390, dark: true });
  const first = panel(page).locator(".decisions summary").first();
  await first.click();
  await panel(page).getByText("312 on openai-batch").first().waitFor();
  expect(await hasSidewaysScroll(page)).toBe(false);
  await shoot(page, "decisions-dark-m", false);
  await first.scrollIntoViewIfNeeded();
  await panel(page).getByRole("table").nth(1).scrollIntoViewIfNeeded();
  await shoot(page, "candidates-dark-m", false);
  await page.context().close();
});

test("a shadow policy shows how often both agreed, where they differ and what each expected, to its own tenant alone", async () => {
  const page = await openAs(story.owner);
  const shadow = page.getByRole("region", { name: "Shadow policy" });
  const text = (await shadow.textContent()) ?? "";
  for (const word of ["batchPatience 0.25", "1,180 of 1,281 decisions the same (92.1 %)", "would not have placed counts as nothing"])
    expect(text).toContain(word);
  const rows = await shadow.locator("tbody tr").evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
  expect(rows).toEqual([
    ["all decisions", "", "1,281", "$0.31065", "$0.30450", "−$0.00615"],
    ["openai-batch", "openai-flex", "70", "$0.01670", "$0.01730", "+$0.00060"],
    ["openai", "openai-batch", "30", "$0.01350", "$0.00720", "−$0.00630"],
    ["openai", "not placed", "1", "$0.00045", "$0.00000", "−$0.00045"],
  ]);
  await shadow.scrollIntoViewIfNeeded();
  await shoot(page, "shadow-d", false);
  await page.context().close();
  const other = await openAs(owner, { width: 390, dark: true });
  const none = other.getByRole("region", { name: "Shadow policy" });
  expect(await none.textContent()).toContain("None has decided on a job of yours");
  expect(await none.getByRole("table").count()).toBe(0);
  expect(await hasSidewaysScroll(other)).toBe(false);
  await none.scrollIntoViewIfNeeded();
  await shoot(other, "shadow-none-dark-m", false);
  await none.getByRole("button", { name: "copy the commands" }).click();
  expect(await other.evaluate(() => navigator.clipboard.readText())).toContain("SLOWBOAT_SHADOW_POLICY=policy.json npx slowboat up");
  await other.context().close();
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
