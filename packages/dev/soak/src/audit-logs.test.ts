import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { auditLogs } from "./audit-logs.ts";

test("work of a service that threw is told with its reason and how often, and a provider's faults are not", () => {
  const dir = mkdtempSync(join(tmpdir(), "soak-logs-"));
  try {
    const line = (msg: string, message: string): string => JSON.stringify({ level: 50, err: { message }, msg });
    const said = [line("loop-failed", "duplicate key"), line("loop-failed", "duplicate key"), line("batch-poll-failed", "503"), "no JSON at all"];
    writeFileSync(join(dir, "scheduler.log"), said.join("\n"));
    writeFileSync(join(dir, "results-service.log"), "");
    expect(auditLogs(dir)).toEqual(["2 times scheduler: loop-failed: duplicate key"]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
