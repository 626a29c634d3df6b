import { Redis } from "ioredis";

/** A request of a key that has limits; `null` is no limit. */
interface Ask {
  readonly id: string;
  readonly keyId: string;
  readonly tokens: number;
  readonly call: boolean;
  readonly limits: { readonly requestsPerMinute: number | null; readonly tokensPerMinute: number | null; readonly concurrency: number | null };
}

interface Grant {
  readonly granted: boolean;
  readonly standing: { readonly requests: number; readonly tokens: number; readonly running: number };
}

/** The limits of keys, counted in Redis for all processes. */
export interface RedisAllowances {
  take(asks: readonly Ask[], at: { readonly realMs: number; readonly untilRealMs: number }): Promise<readonly Grant[]>;
  end(ids: readonly string[]): Promise<void>;
  renew(ids: readonly string[], untilRealMs: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Buckets that a minute fills, and a sorted set of the calls that run, by the instant until which their process vouches for them. The same sums as
 * in the pace, in one step of the server: ARGV is now, until, the three limits (0: none), tokens, the call's id or nothing.
 */
const TAKE = `
local now = tonumber(ARGV[1])
local rpm, tpm, most, tokens = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local known = redis.call('HMGET', KEYS[1], 'requests', 'tokens', 'at')
local at = tonumber(known[3])
local function left(text, limit)
  if limit == 0 then return 0 end
  if not at then return limit end
  return math.min(limit, tonumber(text) + math.max(0, now - at) * limit / 60000)
end
local r, t = left(known[1], rpm), left(known[2], tpm)
local running = 0
if most > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  running = redis.call('ZCARD', KEYS[2])
end
local go = 1
if rpm > 0 and r < 1 then go = 0
elseif tpm > 0 and t < tokens then go = 0
elseif most > 0 and ARGV[7] ~= '' and running >= most then go = 0 end
local standing = {go, string.format('%.6f', r), string.format('%.6f', t), running}
if go == 1 then
  r = r - 1
  t = t - tokens
  if most > 0 and ARGV[7] ~= '' then
    redis.call('ZADD', KEYS[2], tonumber(ARGV[2]), ARGV[7])
    redis.call('PEXPIRE', KEYS[2], 120000)
  end
end
redis.call('HSET', KEYS[1], 'requests', string.format('%.6f', r), 'tokens', string.format('%.6f', t), 'at', math.max(now, at or now))
redis.call('PEXPIRE', KEYS[1], 120000)
return standing`;

/** Opens the book on a connection of its own; a Redis that does not answer fails the request that asks. */
export async function redisAllowances(
  url: string,
  options: { readonly prefix?: string; readonly onError: (error: Error) => void },
): Promise<RedisAllowances> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 5000, commandTimeout: 2000, lazyConnect: true });
  redis.on("error", options.onError);
  await redis.connect();
  const prefix = options.prefix ?? "slowboat";
  const callsOf = (keyId: string): string => `${prefix}:{${keyId}}:calls`;
  // Which key a call is of, for as long as this process runs it.
  const keys = new Map<string, string>();
  const takeOne = async (ask: Ask, at: { readonly realMs: number; readonly untilRealMs: number }): Promise<Grant> => {
    const { requestsPerMinute, tokensPerMinute, concurrency } = ask.limits;
    const names = [`${prefix}:{${ask.keyId}}:left`, callsOf(ask.keyId)];
    const args = [at.realMs, at.untilRealMs, requestsPerMinute ?? 0, tokensPerMinute ?? 0, concurrency ?? 0, ask.tokens, ask.call ? ask.id : ""];
    const [go, requests, tokens, running] = (await redis.eval(TAKE, 2, ...names, ...args)) as [number, string, string, number];
    if (go === 1 && ask.call && concurrency !== null) keys.set(ask.id, ask.keyId);
    return { granted: go === 1, standing: { requests: Number(requests), tokens: Number(tokens), running } };
  };
  const each = async (ids: readonly string[], work: (id: string, calls: string) => Promise<unknown>): Promise<void> => {
    await Promise.all(ids.flatMap((id) => (keys.has(id) ? [work(id, callsOf(keys.get(id) ?? ""))] : [])));
  };
  return {
    // Sent one behind the other on one connection, they are taken in order.
    take: (asks, at) => Promise.all(asks.map((ask) => takeOne(ask, at))),
    end: async (ids) => {
      await each(ids, (id, calls) => redis.zrem(calls, id));
      for (const id of ids) keys.delete(id);
    },
    renew: (ids, untilRealMs) =>
      each(ids, async (id, calls) => {
        await redis.zadd(calls, "XX", untilRealMs, id);
        await redis.pexpire(calls, 120_000);
      }),
    close: async () => {
      await redis.quit().catch(() => redis.disconnect());
    },
  };
}
