import { setTimeout as pause } from "node:timers/promises";
import { Agent, request } from "undici";

/** A reply as it came; `null` where none came, or it broke off. */
export type Reply = { readonly status: number; readonly text: string } | null;

/** A caller of the public API: one bounded crowd of connections. */
export interface Caller {
  send(method: "GET" | "POST", path: string, body?: string | Buffer, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /** The same until it is a 2xx: what failed on the way is asked again, under the caller's own Idempotency-Key. Throws for a refusal and after `patienceMs`. */
  insist(method: "GET" | "POST", path: string, body?: string | Buffer, headers?: Readonly<Record<string, string>>): Promise<string>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 60_000;
const PATIENCE_MS = 60_000;
const AGAIN_MS = 100;

/** Opens it with as many connections as calls may run at a time. */
export function openCaller(url: string, key: string, connections: number): Caller {
  const agent = new Agent({ connections, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const fixed = { authorization: `Bearer ${key}`, "anthropic-version": "2023-06-01", "content-type": "application/json" };
  const send: Caller["send"] = async (method, path, body, headers = {}) => {
    try {
      const reply = await request(`${url}${path}`, {
        method,
        dispatcher: agent,
        headers: { ...fixed, ...headers },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      return { status: reply.statusCode, text: await reply.body.text() };
    } catch {
      return null;
    }
  };
  return {
    send,
    insist: async (method, path, body, headers) => {
      for (const until = performance.now() + PATIENCE_MS; ; await pause(AGAIN_MS)) {
        const reply = await send(method, path, body, headers);
        if (reply !== null && reply.status >= 200 && reply.status < 300) return reply.text;
        const said = reply === null ? "no answer" : `${reply.status} ${reply.text.slice(0, 300)}`;
        const final = reply !== null && reply.status < 500 && reply.status !== 429 && reply.status !== 409;
        if (final || performance.now() > until) throw new Error(`${method} ${path}: ${said}`);
      }
    },
    close: () => agent.close(),
  };
}
