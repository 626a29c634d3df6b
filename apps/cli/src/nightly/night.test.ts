import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import type { ReceiptFacts } from "@slowboat/store";
import { expect, test } from "vitest";
import { docOf, planNight, TOPICS, topicName } from "./night-plan.ts";
import { progressLine } from "./progress.ts";
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
};

test("the progress line shows phase, done of total, lanes, ETA against the deadline and money, and fits the terminal", () => {
  const at = (hour: number): number => new Date(2026, 10, 25, hour).getTime();
  const view = { phase: "summarising", facts, total: 100, startedAtMs: at(22), nowMs: at(23), deadlineAtMs: at(30), columns: 200 };
  expect(progressLine(view)).toBe(
    "▕███████       ▏ 50/100 · summarising · 23:00 ETA 23:40–00:30 (deadline 06:00) · $0.50 spent, $1.50 saved (emulated) · pool 50 openai-batch 50",
  );
  expect([...progressLine({ ...view, columns: 40 })]).toHaveLength(40);
  expect(progressLine({ ...view, total: 50 })).toContain("all answered");
});
