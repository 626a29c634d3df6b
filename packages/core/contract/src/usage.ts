/**
 * Token usage in disjoint classes: every token of a request is in exactly one of them, whatever the provider's own
 * convention (OpenAI's prompt count includes cached tokens, Anthropic's does not). `reasoning` is a part of `output`,
 * shown and never priced again.
 */
export interface Usage {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite30m: number;
  readonly cacheWrite1h: number;
  readonly cacheWrite12h: number;
  readonly output: number;
  readonly reasoning: number;
}

export const NO_USAGE: Usage = {
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite30m: 0,
  cacheWrite1h: 0,
  cacheWrite12h: 0,
  output: 0,
  reasoning: 0,
};

/** All prompt tokens, cached, written or fresh. */
export const totalInput = (u: Usage): number => u.input + u.cacheRead + u.cacheWrite5m + u.cacheWrite30m + u.cacheWrite1h + u.cacheWrite12h;

export const addUsage = (a: Usage, b: Usage): Usage => ({
  input: a.input + b.input,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite5m: a.cacheWrite5m + b.cacheWrite5m,
  cacheWrite30m: a.cacheWrite30m + b.cacheWrite30m,
  cacheWrite1h: a.cacheWrite1h + b.cacheWrite1h,
  cacheWrite12h: a.cacheWrite12h + b.cacheWrite12h,
  output: a.output + b.output,
  reasoning: a.reasoning + b.reasoning,
});
