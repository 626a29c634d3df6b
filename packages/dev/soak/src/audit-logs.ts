import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Words of a service whose own work broke: a provider's fault never says them. */
const STUMBLES = ["loop-failed", "queue-troubled", "process-crashed"];
const SHOWN = 3;

/** Reads what the services said: work of theirs that threw is wrong even where it mended itself. One sentence for each kind. */
export function auditLogs(logsDir: string): string[] {
  const seen = new Map<string, number>();
  for (const file of readdirSync(logsDir)) {
    for (const line of readFileSync(join(logsDir, file), "utf8").split("\n")) {
      if (!STUMBLES.some((word) => line.includes(`"msg":"${word}"`))) continue;
      const said = JSON.parse(line) as { msg: string; err?: { message?: string } };
      const what = `${file.replace(/\.log$/, "")}: ${said.msg}: ${said.err?.message ?? "no reason given"}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
  }
  const kinds = [...seen].sort((a, b) => b[1] - a[1]).slice(0, SHOWN);
  return kinds.map(([what, count]) => `${count} times ${what}`);
}
