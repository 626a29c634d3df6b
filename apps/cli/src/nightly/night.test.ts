import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import type { ReceiptFacts } from "@slowboat/store";
import { expect, test } from "vitest";
import { viewDataFolder } from "../supervisor/data-folder.ts";
import { judge } from "./night.ts";
import { docOf, planNight, TOPICS, topicName } from "./night-plan.ts";
import { takeName } from "./night-state.ts";
import { progressLines } from "./progress.ts";
import { quoteNight } from "./quote.ts";
import { collectReadmes } from "./readmes.ts";

function folderOf(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "slowboat-readmes-"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test("every installed package's README is a document once, nested and scoped ones too; links, empty and binary files are none", () => {
  const root = folderOf({
    "node_modules/b/README.md": "# b",
    "node_modules/a/readme.markdown": "\uFEFF# a\n",
    "node_modules/@s/c/Readme": "# c",
    "node_modules/b/node_modules/a/README.md": "# old a",
    "node_modules/b/cli/node_modules/d/README.md": "# d",
    "node_modules/empty/README.md": "  \n",
    "node_modules/binary/README.md": "\u0000\u0001",
    "node_modules/none/index.js": "",
    "node_modules/.bin/x/README.md": "no",
    "apps/one/node_modules/e/README.md": "# e",
    "apps/one/README.md": "ours",
  });
  symlinkSync(join(root, "apps/one"), join(root, "node_modules/ours"));
  const docs = collectReadmes(root, 100);
  expect(docs.map((doc) => [doc.id, doc.packageName, doc.text])).toEqual([
    ["apps/one/node_modules/e", "e", "# e"],
    ["node_modules/@s/c", "@s/c", "# c"],
    ["node_modules/a", "a", "# a"],
    ["node_modules/b", "b", "# b"],
    ["node_modules/b/cli/node_modules/d", "d", "# d"],
    ["node_modules/b/node_modules/a", "a", "# old a"],
  ]);
  rmSync(root, { recursive: true });
});

test("a long document is cut at a line, never inside a character", () => {
  const root = folderOf({
    "node_modules/a/README.md": `${"x".repeat(90)}\n${"y".repeat(90)}`,
    "node_modules/b/README.md": `${"x".repeat(99)}😀${"y".repeat(90)}`,
  });
  expect(collectReadmes(root, 100).map((doc) => doc.text)).toEqual(["x".repeat(90), "x".repeat(99)]);
  rmSync(root, { recursive: true });
});

const docs = ["a", "b", "c"].map((name) => ({ id: `node_modules/${name}`, packageName: name, text: `# ${name}` }));

test("each document gets a vector, topics and exactly one summary, and is found again by its custom_id", () => {
  for (const by of [
    { openai: true, anthropic: true },
    { openai: true, anthropic: false },
    { openai: false, anthropic: true },
  ]) {
    const plan = planNight(docs, by);
    expect(plan.embeddings).toHaveLength(3);
    expect(plan.topics).toHaveLength(3);
    const summaries = [...plan.chat, ...plan.messages].map((line) => docOf(plan, line.custom_id)?.packageName);
    expect(summaries.sort()).toEqual(["a", "b", "c"]);
  }
  expect(docOf(planNight(docs, { openai: true, anthropic: true }), "doc-3")).toBeNull();
  expect(topicName(TOPICS["testing"] ?? "")).toBe("testing");
});

test("the quote covers the longest answers, and the batch lanes cost half the list price", () => {
  const quote = quoteNight(loadPriceBook(STANDARD_PRICES), planNight(docs, { openai: true, anthropic: true }), Date.UTC(2026, 10, 25));
  expect(quote.requests).toBe(3);
  expect(quote.lines.map((line) => [line.provider, line.model, line.requests])).toEqual([
    ["openai", "gpt-5-mini", 2],
    ["anthropic", "claude-haiku-4-5", 1],
  ]);
  expect(quote.listNano).toBeGreaterThan(0n);
  expect(quote.expectedNano * 2n).toBe(quote.listNano);
});

const facts: ReceiptFacts = {
  jobs: [
    { state: "completed", lane: "pool", jobs: 50 },
    { state: "placed", lane: "openai-batch", jobs: 50 },
  ],
  accounts: [
    { account: "list", amountNano: -2_000_000_000n },
    { account: "saving.pool", amountNano: 1_500_000_000n },
    { account: "payable.pool", amountNano: 500_000_000n },
  ],
  deadlinesMissed: 0,
  withDeadline: 100,
  suspense: { attempts: 0, amountNano: 0n },
  unpriced: 0,
  unsettled: 0,
  emulated: true,
  lastEndedAtMs: null,
  lastRescueAtMs: null,
};

const at = (hour: number, minute = 0): number => new Date(2026, 10, 25, hour, minute).getTime();
const night = { phase: "pool+LLM", facts, total: 100, startedAtMs: at(22), nowMs: at(23), deadlineAtMs: at(30), columns: 80 };

test("the progress of a night of hundreds is two lines that fit 80 columns: done of total, ETA, money, lanes, phase", () => {
  expect(progressLines(night)).toEqual([
    "▕███   ▏ 50/100 23:00 · ETA 23:40–Thu 00:30 due 06:00 · pool+LLM · emulated",
    "paid $0.000 pool $0.500 saved $1.500 · pool 50 batch 50",
  ]);
  const jobs = [
    ["completed", "pool", 518],
    ["placed", "openai-batch", 132],
    ["placed", "anthropic-batch", 84],
    ["completed", "anthropic", 46],
    ["completed", "cache", 12],
  ].map(([state, lane, jobs]) => ({ state, lane, jobs }) as ReceiptFacts["jobs"][number]);
  const full = progressLines({ ...night, facts: { ...facts, jobs }, total: 792 });
  for (const line of full) expect([...line].length, line).toBeLessThan(80);
  expect(full[0]).toContain("emulated");
  expect(full[1]).toContain("pool 518 batch 216 real-time 46 cache 12");
  expect(progressLines({ ...night, columns: 40 }).map((line) => [...line].length)).toEqual([39, 39]);
  expect(progressLines({ ...night, columns: null })).toHaveLength(1);
});

test("the ETA counts with the rescue, and never lies past a deadline that can still be made", () => {
  const waiting = { ...facts, lastRescueAtMs: at(29, 40) };
  expect(progressLines({ ...night, facts: waiting })[0]).toContain("ETA 23:40–Thu 05:40");
  const slow = { ...facts, jobs: facts.jobs.map((row) => ({ ...row, jobs: row.state === "completed" ? 2 : 98 })) };
  expect(progressLines({ ...night, facts: slow })[0]).toContain("ETA by Thu 06:00");
  expect(progressLines({ ...night, facts: { ...facts, jobs: [] } })[0]).toContain("ETA by Thu 06:00");
  expect(progressLines({ ...night, nowMs: at(31) })[0]).toContain("due 06:00, missed");
  expect(progressLines({ ...night, nowMs: at(29), total: 50, facts: { ...facts, lastEndedAtMs: at(28, 5) } })[0]).toContain(
    "last answer 04:05 due 06:00",
  );
});

const plan = planNight(docs, { openai: true, anthropic: true });
const answered = { ...facts, jobs: [{ state: "completed", lane: "pool", jobs: 9 }] };
const whole = { counts: { summaries: 3, topics: 3, embeddings: 3, errors: 0 } };

test("a night that a crash cut short ends well when every job was answered; what the crash left is named", () => {
  const hurt = { ...answered, deadlinesMissed: 2, suspense: { attempts: 3, amountNano: 10_000_000n } };
  expect(judge(plan, answered, whole, false)).toEqual({ problems: [], notes: [] });
  expect(judge(plan, hurt, whole, true)).toEqual({
    problems: [],
    notes: [expect.stringContaining("2 deadlines were missed"), expect.stringMatching(/^3 attempts in suspense, at most \$0\.01/)],
  });
});

test("a night is not well when a deadline was missed without a crash, a job has no answer, or an answer is not settled", () => {
  expect(judge(plan, { ...answered, deadlinesMissed: 1 }, whole, false).problems).toEqual(["1 deadlines were missed"]);
  expect(judge(plan, { ...answered, unsettled: 1 }, whole, true).problems).toHaveLength(1);
  expect(judge(plan, { ...answered, jobs: [] }, whole, true).problems).toHaveLength(1);
});

test("nights to the same morning never share a folder", () => {
  const root = folderOf({ "results/x": "" });
  const folder = viewDataFolder(root);
  expect([takeName(folder, at(30)), takeName(folder, at(30)), takeName(folder, at(54))]).toEqual(["2026-11-26", "2026-11-26-2", "2026-11-27"]);
  rmSync(root, { recursive: true });
});
