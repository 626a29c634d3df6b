import { formatUsd, nano, parseUsd } from "@slowboat/kernel";
import { type Clearing, clearSuspense, type Reconciliation, reconcile } from "@slowboat/ledger";
import { jobClock } from "@slowboat/runtime";
import { fileCallLog, listSuspense, listTenants, readClock, readSuspended, type Store, type SuspendedAttempt } from "@slowboat/store";
import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";
import { readBill } from "./read-bill.ts";

/** What `suspense clear` may be told. */
export interface ClearFlags extends GlobalFlags {
  readonly charged?: string;
  readonly notCharged?: boolean;
  readonly evidence?: string;
}

/** What `reconcile` may be told. */
export interface ReconcileFlags extends GlobalFlags {
  readonly from?: string;
  readonly to?: string;
  readonly apply?: boolean;
}

const PAGE = 1_000;
const EVIDENCE_CHARS = 500;
const SHOWN = 20;

/** Lists the attempts that may have been billed and were never heard of. */
export async function suspenseList(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  return await withStore(config, flags, async (store) => {
    const names = new Map((await listTenants(store.sql)).map((tenant) => [tenant.tenantId, tenant.name]));
    let held = 0;
    let estimateNano = 0n;
    for (let after = ""; ; ) {
      const page = await listSuspense(store.sql, { tenantId: null, after, limit: PAGE });
      for (const attempt of page) {
        held++;
        estimateNano += attempt.estimateNano ?? 0n;
        await data(
          flags.json ? JSON.stringify(asJson(attempt, names.get(attempt.tenantId) ?? "")) : asLine(attempt, names.get(attempt.tenantId) ?? ""),
        );
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      after = last.attemptId;
    }
    say(`${held} attempts in suspense, at most $${formatUsd(nano(estimateNano))}.`);
    return EXIT.ok;
  });
}

const usd = (amountNano: bigint): string => formatUsd(nano(amountNano));

const asJson = (attempt: SuspendedAttempt, tenant: string) => ({
  attempt_id: attempt.attemptId,
  job_id: attempt.jobId,
  tenant,
  lane: attempt.lane,
  account: attempt.account,
  model: attempt.model,
  code: attempt.code,
  provider_batch: attempt.batchRef,
  looked_for: attempt.sought,
  estimate_nano_usd: attempt.estimateNano === null ? null : String(attempt.estimateNano),
  sent_at: new Date(attempt.sentAtMs).toISOString(),
  emulated: attempt.emulated,
});

function asLine(attempt: SuspendedAttempt, tenant: string): string {
  const amount = attempt.estimateNano === null ? "unpriced" : `$${usd(attempt.estimateNano)}`;
  const batch = attempt.batchRef === null ? "" : `  ${attempt.batchRef}${attempt.sought ? ", looked for" : ""}`;
  const label = attempt.emulated ? "  emulated" : "";
  const sent = new Date(attempt.sentAtMs).toISOString();
  return `${attempt.attemptId}  ${sent}  ${attempt.lane.padEnd(16)}  ${attempt.model}  at most ${amount}  ${attempt.code ?? ""}${batch}${label}  ${tenant}`;
}

/** Ends one attempt in suspense by what the provider's bill says of it. */
export async function suspenseClear(config: Config, flags: ClearFlags, attemptId: string): Promise<ExitCode> {
  const { amountNano, evidence } = readClearing(flags);
  return await withStore(config, flags, async (store) => {
    const attempt = await readSuspended(store.sql, attemptId);
    if (attempt === null) throw new Ended(EXIT.error, `'${attemptId.slice(0, 64)}' is not in suspense; see: npx slowboat suspense list`);
    const outcome = amountNano > 0n ? "charged" : "not-charged";
    const at = { nowMs: await jobNow(store), realMs: Date.now() };
    const taken = await store.begin((tx) => clearSuspense(tx, [{ attempt, outcome, amountNano, evidence }], at));
    if (taken.length === 0) throw new Ended(EXIT.error, `${attemptId} has just left suspense by itself.`);
    if (flags.json) await data(JSON.stringify({ attempt_id: attemptId, outcome, amount_nano_usd: String(amountNano) }));
    say(outcome === "charged" ? `${attemptId}: $${usd(amountNano)} are in the ledger, as waste.` : `${attemptId}: cleared without a charge.`);
    return EXIT.ok;
  });
}

function readClearing(flags: ClearFlags): { readonly amountNano: bigint; readonly evidence: string } {
  const evidence = flags.evidence?.trim() ?? "";
  if (evidence === "" || evidence.length > EVIDENCE_CHARS)
    throw new Ended(EXIT.usage, `Say where it is written, in at most ${EVIDENCE_CHARS} characters: --evidence "invoice 2026-11, page 3".`);
  if ((flags.charged === undefined) === (flags.notCharged !== true))
    throw new Ended(EXIT.usage, "Give either --charged USD, what the provider took, or --not-charged.");
  if (flags.charged === undefined) return { amountNano: 0n, evidence };
  const amountNano = parseUsd(flags.charged);
  if (amountNano === null || amountNano === 0n)
    throw new Ended(
      EXIT.usage,
      `--charged ${flags.charged.slice(0, 32)} is not possible: give dollars above 0, exact to the nano-dollar, such as 0.0012.`,
    );
  return { amountNano, evidence };
}

/** Holds the books against a provider's bill, line by line; `--apply` clears what is in suspense by it. Ends with 1 where they differ. */
export async function reconcileBill(config: Config, flags: ReconcileFlags, path: string): Promise<ExitCode> {
  const window = { fromMs: readInstant("--from", flags.from), toMs: readInstant("--to", flags.to) };
  if (window.toMs <= window.fromMs) throw new Ended(EXIT.usage, "--to must be after --from.");
  const bill = await readBill(path);
  return await withStore(config, flags, async (store) => {
    // A call that is only logged so far is an attempt of this installation, too.
    await fileCallLog(store);
    const found = await reconcile(store.sql, bill, window);
    const cleared = flags.apply ? await applyBill(store, found, `${path.split("/").at(-1) ?? path}, ${flags.from} to ${flags.to}`) : 0;
    if (flags.json) await data(JSON.stringify(summary(found, cleared)));
    else await show(found, cleared, flags.apply === true);
    return found.differences.length === 0 && found.strangers.length === 0 ? EXIT.ok : EXIT.error;
  });
}

async function applyBill(store: Store, found: Reconciliation, evidence: string): Promise<number> {
  const when = { nowMs: await jobNow(store), realMs: Date.now() };
  const clearings: Clearing[] = [
    ...found.charged.map(({ attempt, amountNano }): Clearing => ({ attempt, outcome: "charged", amountNano, evidence })),
    ...found.notCharged.map((attempt): Clearing => ({ attempt, outcome: "not-charged", amountNano: 0n, evidence })),
  ];
  let cleared = 0;
  for (let at = 0; at < clearings.length; at += PAGE)
    cleared += (await store.begin((tx) => clearSuspense(tx, clearings.slice(at, at + PAGE), when))).length;
  return cleared;
}

const totalOf = (found: Reconciliation): bigint => found.charged.reduce((sum, { amountNano }) => sum + amountNano, 0n);

const summary = (found: Reconciliation, cleared: number) => ({
  matched: found.matched,
  matched_nano_usd: String(found.matchedNano),
  differences: found.differences.map(({ attemptId, why, bookedNano, billedNano }) => ({
    attempt_id: attemptId,
    why,
    booked_nano_usd: bookedNano === null ? null : String(bookedNano),
    billed_nano_usd: String(billedNano),
  })),
  suspense_charged: found.charged.length,
  suspense_charged_nano_usd: String(totalOf(found)),
  suspense_not_charged: found.notCharged.length,
  suspense_looked_for: found.sought,
  pending: found.pending,
  strangers: found.strangers,
  cleared,
});

async function show(found: Reconciliation, cleared: number, applied: boolean): Promise<void> {
  const rows: [string, string][] = [
    ["matched", `${found.matched} attempts, $${usd(found.matchedNano)}, each equal to its line`],
    ["in suspense, on the bill", `${found.charged.length} attempts, $${usd(totalOf(found))}`],
    ["in suspense, not on it", `${found.notCharged.length} attempts`],
    ["still looked for", `${found.sought} attempts`],
    ["not ended yet", `${found.pending} attempts`],
    ["different", `${found.differences.length} attempts`],
    ["billed to nobody", `${found.strangers.length} ids`],
  ];
  for (const [name, text] of rows) await data(`${name.padEnd(26)}${text}`);
  for (const { attemptId, why, bookedNano, billedNano } of found.differences.slice(0, SHOWN))
    await data(`  ${attemptId}  ${why}: booked ${bookedNano === null ? "nothing" : `$${usd(bookedNano)}`}, billed $${usd(billedNano)}`);
  for (const id of found.strangers.slice(0, SHOWN)) await data(`  ${id.slice(0, 80)}  is no attempt of this installation`);
  if (applied) say(`${cleared} attempts have left suspense.`);
  else if (found.charged.length + found.notCharged.length > 0)
    say("Nothing was written. With --apply the attempts in suspense are cleared by this bill.");
}

function readInstant(name: string, text: string | undefined): number {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  if (text === undefined || !/^\d{4}-\d{2}-\d{2}/.test(text) || Number.isNaN(ms))
    throw new Ended(
      EXIT.usage,
      `${name} is ${text === undefined ? "missing" : "not readable"}: give the time that the bill covers, such as ${name} 2026-11-01T00:00:00Z.`,
    );
  return ms;
}

async function jobNow(store: Store): Promise<number> {
  const clock = await readClock(store.sql);
  return clock ? jobClock(clock).job() : Date.now();
}
