import { formatUsd, nano } from "@slowboat/kernel";
import { readShadow, type ShadowReport, shadowReports } from "@slowboat/store";
import type { Config } from "../config.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";

const usd = (amount: bigint): string => formatUsd(nano(amount));

/** Shows what a shadow policy would have decided: how often both agree, what each expected to pay, and where they differ. */
export async function shadow(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  const reports = shadowReports(await withStore(config, flags, (store) => readShadow(store.sql)));
  if (reports.length === 0) say("No shadow policy has watched here. Set SLOWBOAT_SHADOW_POLICY to a JSON file of policy values and start Slowboat.");
  for (const report of reports) await show(flags, report);
  return EXIT.ok;
}

async function show(flags: GlobalFlags, report: ShadowReport): Promise<void> {
  const { policy, decisions, agreed, differ } = report;
  const [live, other] = [usd(report.expectedNano), usd(report.shadowExpectedNano)];
  const [from, until] = [new Date(report.fromMs).toISOString(), new Date(report.untilMs).toISOString()];
  if (flags.json) {
    const apart = differ.map((row) => ({
      lane: row.lane,
      shadow_lane: row.shadowLane,
      decisions: row.decisions,
      expected_usd: usd(row.expectedNano),
      shadow_expected_usd: usd(row.shadowExpectedNano),
    }));
    const whole = { policy: JSON.parse(policy), from, until, decisions, agreed, expected_usd: live, shadow_expected_usd: other, differ: apart };
    await data(JSON.stringify(whole));
    return;
  }
  await data(`${policy}\n  ${from} to ${until}: ${decisions} decisions, ${agreed} the same; expected ${live} USD, under this policy ${other} USD`);
  for (const row of differ)
    await data(
      `  ${row.lane.padEnd(16)} → ${row.shadowLane.padEnd(16)} ${String(row.decisions).padStart(8)}   ${usd(row.expectedNano)} → ${usd(row.shadowExpectedNano)} USD`,
    );
}
