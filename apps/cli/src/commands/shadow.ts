import { formatUsd, nano } from "@slowboat/kernel";
import { readShadow, type ShadowRow } from "@slowboat/store";
import type { Config } from "../config.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";

const usd = (amount: bigint): string => formatUsd(nano(amount));

/** Shows what a shadow policy would have decided: how often both agree, what each expected to pay, and where they differ. */
export async function shadow(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  const rows = await withStore(config, flags, (store) => readShadow(store.sql));
  if (rows.length === 0) say("No shadow policy has watched here. Set SLOWBOAT_SHADOW_POLICY to a JSON file of policy values and start Slowboat.");
  for (const [policy, own] of Map.groupBy(rows, (row) => row.policy)) await show(flags, policy, own);
  return EXIT.ok;
}

async function show(flags: GlobalFlags, policy: string, rows: readonly ShadowRow[]): Promise<void> {
  const decisions = rows.reduce((sum, row) => sum + row.decisions, 0);
  const agreed = rows.filter((row) => row.lane === row.shadowLane).reduce((sum, row) => sum + row.decisions, 0);
  const live = rows.reduce((sum, row) => sum + row.expectedNano, 0n);
  const other = rows.reduce((sum, row) => sum + row.shadowExpectedNano, 0n);
  const from = new Date(Math.min(...rows.map((row) => row.fromMs))).toISOString();
  const until = new Date(Math.max(...rows.map((row) => row.untilMs))).toISOString();
  const apart = rows.filter((row) => row.lane !== row.shadowLane);
  if (flags.json) {
    const differ = apart.map((row) => ({
      lane: row.lane,
      shadow_lane: row.shadowLane,
      decisions: row.decisions,
      expected_usd: usd(row.expectedNano),
      shadow_expected_usd: usd(row.shadowExpectedNano),
    }));
    await data(
      JSON.stringify({
        policy: JSON.parse(policy),
        from,
        until,
        decisions,
        agreed,
        expected_usd: usd(live),
        shadow_expected_usd: usd(other),
        differ,
      }),
    );
    return;
  }
  await data(
    `${policy}\n  ${from} to ${until}: ${decisions} decisions, ${agreed} the same; expected ${usd(live)} USD, under this policy ${usd(other)} USD`,
  );
  for (const row of apart)
    await data(
      `  ${row.lane.padEnd(16)} → ${row.shadowLane.padEnd(16)} ${String(row.decisions).padStart(8)}   ${usd(row.expectedNano)} → ${usd(row.shadowExpectedNano)} USD`,
    );
}
