import { Redis } from "ioredis";

const CONNECT_MS = 5000;

/** What Redis does when its memory is full; anything but `noeviction` may drop queued work. `unknown` where the server does not tell. */
export async function redisPolicy(url: string): Promise<string> {
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: CONNECT_MS, maxRetriesPerRequest: 1, retryStrategy: () => null });
  redis.on("error", () => undefined); // told by the rejected call
  try {
    await redis.connect();
    const [, policy] = (await redis.config("GET", "maxmemory-policy").catch(() => [])) as string[];
    return policy ?? "unknown";
  } finally {
    redis.disconnect();
  }
}
