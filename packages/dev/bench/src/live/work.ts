import { seededRng } from "@slowboat/kernel";

/** A job that the live run submits at an instant and the simulator gets as it was accepted. */
export interface LiveJob {
  /** Job ms after the start. */
  readonly atMs: number;
  /** The envelope of `POST /v1/jobs`. */
  readonly envelope: string;
}

const MINUTE_MS = 60_000;
/** Slack in minutes and its share: five minutes at least, since below that an hour's clock of a minute leaves the machine no room. */
const SLACKS = [
  [5, 0.15],
  [15, 0.15],
  [60, 0.3],
  [180, 0.25],
  [360, 0.15],
] as const;
/** The longest slack in job ms. */
export const LONGEST_MS = 360 * MINUTE_MS;
/** One with a flex tier, one without. */
const MODELS = ["gpt-5-mini", "claude-haiku-4-5"] as const;
const WORDS = "pier night light bow bell tide sea harbour rope crane cargo lantern chart wind keel anchor mast wake shore signal".split(" ");

/** Jobs of a span of job time, each with a question of its own, in order of arrival; the same for the same seed. */
export function makeWork(jobs: number, spanMs: number, seed: number, longestMs = LONGEST_MS): LiveJob[] {
  const rng = seededRng(seed);
  const arrivals = Array.from({ length: jobs }, () => Math.floor(rng.float() * spanMs)).sort((a, b) => a - b);
  return arrivals.map((atMs, no) => {
    const model = MODELS[rng.u32() % MODELS.length] ?? MODELS[0];
    const words = Array.from({ length: 30 + (rng.u32() % 300) }, () => WORDS[rng.u32() % WORDS.length]);
    const content = `Question ${no}: ${words.join(" ")}?`;
    const tokens = 40 + (rng.u32() % 160);
    const anthropic = model.startsWith("claude");
    const body = {
      model,
      ...(anthropic ? { max_tokens: tokens } : { max_completion_tokens: tokens, reasoning_effort: "minimal" }),
      messages: [{ role: "user", content }],
    };
    const endpoint = anthropic ? "/v1/messages" : "/v1/chat/completions";
    return {
      atMs,
      envelope: JSON.stringify({ endpoint, body, deadline: `${Math.min(slackOf(rng.float()), longestMs / MINUTE_MS)}m`, cache: "off" }),
    };
  });
}

function slackOf(luck: number): number {
  let sum = 0;
  for (const [minutes, share] of SLACKS) {
    sum += share;
    if (luck < sum) return minutes;
  }
  return 360;
}
