import { formatUsd, type NanoUsd, nano, parseUsd } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { type Config, isEmulated } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { type NightEnd, runNight } from "../nightly/night.ts";
import { type NightPlan, PROMPT_CHARS, planNight, type Summarisers } from "../nightly/night-plan.ts";
import { forgetNight } from "../nightly/night-state.ts";
import { instant, progressOut } from "../nightly/progress.ts";
import { quoteNight } from "../nightly/quote.ts";
import { collectReadmes } from "../nightly/readmes.ts";
import { drawReceipt, ledgerWaterfall, poolPaid } from "../nightly/receipt.ts";
import { ROOT } from "../root.ts";
import { loadPerCore, scaleFor } from "../supervisor/load.ts";
import { type Stack, startStack } from "../supervisor/stack.ts";
import { askedToStop, data, look, say } from "../terminal.ts";
import { type StackFlags, stackOptions } from "./stack-options.ts";
import { greet, SERVING, serve, up } from "./up.ts";

/** The options of `npm start`. */
export interface NightlyFlags extends StackFlags {
  readonly once?: boolean;
  readonly serve?: boolean;
  readonly maxCost?: string;
}

const PLAIN_EVERY_MS = 5000;

/** The main job: a night over the READMEs of the installed packages, its receipt, then service until Ctrl-C (`--once`: the end). */
export async function nightly(config: Config, flags: NightlyFlags, json: boolean): Promise<ExitCode> {
  if (flags.once && flags.serve) throw new Ended(EXIT.usage, "--once ends after the night and --serve has none: give one of them.");
  const max = flags.maxCost === undefined ? null : parseUsd(flags.maxCost);
  if (flags.maxCost !== undefined && max === null)
    throw new Ended(EXIT.usage, `--max-cost ${flags.maxCost} is not an amount: give dollars, such as 0.25.`);
  if (flags.serve) return await up(config, flags, json);
  const load = loadPerCore();
  const options = await stackOptions(config, flags, { timeScale: scaleFor(load), evening: true });
  const asked = askedToStop();
  const plan = planned(config, max);
  if (options.timeScale > 1) {
    const why = flags.timeScale === undefined ? `chosen for ${load.toFixed(1)} running processes a core` : "as asked";
    say(`job time runs ${options.timeScale} times as fast as the machine's (${why}), from when everything is ready`);
  }
  const stack = await startStack(config, options);
  const once = flags.once === true || !process.stdout.isTTY;
  try {
    greet(stack);
    const end = await untilAsked(config, stack, { plan, scale: options.timeScale }, asked);
    if (end === null) throw new Ended(EXIT.interrupted, "The night goes on where it was at the next start.");
    await showReceipt(config, stack, end, json);
    for (const note of end.notes) say(`note: ${note}`);
    for (const problem of end.problems) say(`not well: ${problem}`);
    forgetNight(stack.folder);
    if (once) return end.good ? EXIT.ok : EXIT.error;
    if (options.timeScale > 1 && flags.timeScale === undefined) {
      await stack.time.goOn(1);
      say("Job time now passes at the machine's pace.");
    }
    say(SERVING);
    return await serve(stack, asked);
  } finally {
    await stack.stop();
  }
}

/** The plan with what the settings allow: a real provider's part needs a budget. */
function planned(config: Config, max: NanoUsd | null): NightPlan {
  const docs = collectReadmes(ROOT, PROMPT_CHARS);
  const emulated = isEmulated(config);
  const by: Summarisers = { openai: emulated || config.OPENAI_API_KEY !== undefined, anthropic: emulated || config.ANTHROPIC_API_KEY !== undefined };
  const plan = planNight(docs, by);
  say(`${docs.length} README files of installed packages, ${docs.length * 3} jobs: a vector, topics and a summary each`);
  if (emulated) return plan;
  const { lines, listNano, expectedNano } = quoteNight(loadPriceBook(STANDARD_PRICES), plan, Date.now());
  for (const line of lines)
    say(
      `quote: ${line.requests} summaries by ${line.model} of ${line.provider}: list price up to $${formatUsd(line.listNano)}, on its batch lane up to $${formatUsd(line.expectedNano)}`,
    );
  if (lines.length > 1) say(`quote: together up to $${formatUsd(listNano)}, on the batch lanes up to $${formatUsd(expectedNano)}`);
  if (max === null) {
    say("The summaries are left out: a real provider would be paid. Give --max-cost USD to run them.");
    return planNight(docs, { openai: false, anthropic: false });
  }
  // The rescue before a deadline runs at list price: that is what the limit must cover.
  if (listNano > max) throw new Ended(EXIT.budgetRefused, `The night could cost $${formatUsd(listNano)}, more than --max-cost ${formatUsd(max)}.`);
  return plan;
}

/** Runs the night; `null` when asked to stop before its end. */
async function untilAsked(
  config: Config,
  stack: Stack,
  what: { readonly plan: NightPlan; readonly scale: number },
  asked: Promise<string>,
): Promise<NightEnd | null> {
  const stop = new AbortController();
  const progress = progressOut(process.stderr, PLAIN_EVERY_MS, () => performance.now());
  const columns = process.stderr.isTTY ? look(process.stderr, config.NO_COLOR).columns : null;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const night = runNight({ stack, ...what, progress, say, columns, zone, signal: stop.signal });
  const broken = stack.broken.then((error) => {
    throw error;
  });
  try {
    return await Promise.race([night, asked.then(() => null), broken]);
  } finally {
    stop.abort();
    progress.end();
    // Its end by the abort is what we asked for.
    await night.catch(() => undefined);
  }
}

async function showReceipt(config: Config, stack: Stack, end: NightEnd, json: boolean): Promise<void> {
  const { state, facts } = end;
  const money = ledgerWaterfall(facts.accounts);
  const pool = poolPaid(facts.accounts);
  if (json) {
    const usd = (amount: bigint): string => formatUsd(nano(amount));
    await data(
      JSON.stringify({
        night: state.name,
        emulated: facts.emulated,
        jobs: facts.jobs,
        deadlines_missed: facts.deadlinesMissed,
        last_answer_at: facts.lastEndedAtMs === null ? null : new Date(facts.lastEndedAtMs).toISOString(),
        took_ms: end.tookMs,
        resumed: end.resumed,
        suspense: { attempts: facts.suspense.attempts, at_most_usd: usd(facts.suspense.amountNano) },
        list_usd: usd(money.listNano),
        lines: money.lines.map((line) => ({ account: line.account, usd: usd(line.amountNano) })),
        paid_usd: usd(money.paidNano),
        paid_to_providers_usd: usd(money.paidNano - pool),
        own_pool_imputed_usd: usd(pool),
        results: end.downloads.files,
        console_url: stack.consoleUrl,
        good: end.good,
        notes: end.notes,
        problems: end.problems,
      }),
    );
    return;
  }
  const last = facts.lastEndedAtMs === null ? "" : `; the last answer came at ${instant(facts.lastEndedAtMs)}`;
  const view = {
    title: `The night to ${state.name} (deadline ${state.deadline})`,
    facts,
    took: `${inWords(end.tookMs)}${end.resumed ? ", cut short and resumed" : ""}${last}`,
    resultFiles: end.downloads.files,
    consoleUrl: stack.consoleUrl,
    ...look(process.stdout, config.NO_COLOR),
  };
  await data(`\n${drawReceipt(view)}`);
}

const inWords = (ms: number): string => {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};
