import { formatUsd, nano, parseUsd } from "@slowboat/kernel";
import { loadPriceBook, STANDARD_PRICES } from "@slowboat/pricing";
import { type Config, ROOT } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { type NightEnd, runNight } from "../nightly/night.ts";
import { type NightPlan, PROMPT_CHARS, planNight, type Summarisers } from "../nightly/night-plan.ts";
import { progressOut } from "../nightly/progress.ts";
import { quoteNight } from "../nightly/quote.ts";
import { collectReadmes } from "../nightly/readmes.ts";
import { drawReceipt, ledgerWaterfall } from "../nightly/receipt.ts";
import { type Stack, startStack } from "../supervisor/stack.ts";
import { askedToStop, data, look, say } from "../terminal.ts";
import { type StackFlags, stackOptions } from "./stack-options.ts";
import { greet, serve, up } from "./up.ts";

/** The options of `npm start`. */
export interface NightlyFlags extends StackFlags {
  readonly once?: boolean;
  readonly serve?: boolean;
  readonly maxCost?: string;
}

const PLAIN_EVERY_MS = 5000;
const NIGHT_SCALE = 480;

/** The main job: a night over the READMEs of the installed packages, its receipt, then service until Ctrl-C (`--once`: the end). */
export async function nightly(config: Config, flags: NightlyFlags, json: boolean): Promise<ExitCode> {
  if (flags.serve) return await up(config, flags, json);
  const asked = askedToStop();
  const plan = planned(config, flags);
  const stack = await startStack(config, stackOptions(config, flags, { timeScale: NIGHT_SCALE, evening: true }));
  const once = flags.once === true || !process.stdout.isTTY;
  try {
    greet(stack);
    const end = await untilAsked(config, stack, plan, asked);
    if (end === null) throw new Ended(EXIT.interrupted, "The night goes on where it was at the next start.");
    await showReceipt(config, stack, end, json);
    for (const problem of end.problems) say(`not well: ${problem}`);
    if (once) return end.good ? EXIT.ok : EXIT.error;
    say("\nServing until Ctrl-C.");
    return await serve(stack, asked);
  } finally {
    await stack.stop();
  }
}

/** The plan with what the settings allow: a real provider's part needs a budget. */
function planned(config: Config, flags: NightlyFlags): NightPlan {
  const docs = collectReadmes(ROOT, PROMPT_CHARS);
  const emulated = config.OPENAI_API_KEY === undefined && config.ANTHROPIC_API_KEY === undefined;
  const by: Summarisers = { openai: emulated || config.OPENAI_API_KEY !== undefined, anthropic: emulated || config.ANTHROPIC_API_KEY !== undefined };
  const plan = planNight(docs, by);
  say(`${docs.length} README files of installed packages, ${docs.length * 3} jobs: a vector, topics and a summary each`);
  if (emulated) return plan;
  const max = flags.maxCost === undefined ? null : parseUsd(flags.maxCost);
  if (flags.maxCost !== undefined && max === null)
    throw new Ended(EXIT.usage, `--max-cost ${flags.maxCost} is not an amount: give dollars, such as 0.25.`);
  const { listNano, expectedNano, requests } = quoteNight(loadPriceBook(STANDARD_PRICES), plan, Date.now());
  say(`quote: ${requests} summaries, list price up to $${formatUsd(listNano)}, on the batch lanes up to $${formatUsd(expectedNano)}`);
  if (max === null) {
    say("The summaries are left out: a real provider would be paid. Give --max-cost USD to run them.");
    return planNight(docs, { openai: false, anthropic: false });
  }
  // The rescue before a deadline runs at list price: that is what the limit must cover.
  if (listNano > max) throw new Ended(EXIT.budgetRefused, `The night could cost $${formatUsd(listNano)}, more than --max-cost ${flags.maxCost}.`);
  return plan;
}

/** Runs the night; `null` when asked to stop before its end. */
async function untilAsked(config: Config, stack: Stack, plan: NightPlan, asked: Promise<string>): Promise<NightEnd | null> {
  const stop = new AbortController();
  const progress = progressOut(process.stderr, PLAIN_EVERY_MS, () => performance.now());
  const columns = process.stderr.isTTY ? look(process.stderr, config.NO_COLOR).columns : Number.POSITIVE_INFINITY;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const night = runNight({ stack, plan, progress, say, columns, zone, signal: stop.signal });
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
  const { state } = end;
  // An answer of the emulator that the cache gives again is still an emulated one.
  const facts = { ...end.facts, emulated: end.facts.emulated || stack.emulated };
  const money = ledgerWaterfall(facts.accounts);
  if (json) {
    const lines = money.lines.map((line) => ({ account: line.account, usd: formatUsd(nano(line.amountNano)) }));
    await data(
      JSON.stringify({
        night: state.date,
        emulated: facts.emulated,
        jobs: facts.jobs,
        deadlines_missed: facts.deadlinesMissed,
        list_usd: formatUsd(nano(money.listNano)),
        lines,
        paid_usd: formatUsd(nano(money.paidNano)),
        results: end.downloads.files,
        console_url: stack.consoleUrl,
        good: end.good,
      }),
    );
    return;
  }
  const title = `The night of ${state.date} (deadline ${state.deadline})`;
  await data(
    `\n${drawReceipt({ title, facts, resultFiles: end.downloads.files, consoleUrl: stack.consoleUrl, ...look(process.stdout, config.NO_COLOR) })}`,
  );
}
