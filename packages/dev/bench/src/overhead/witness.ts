import { seededRng } from "@slowboat/kernel";
import { openStore } from "@slowboat/store";
import { Pool } from "undici";
import { chatBodies } from "../lines.ts";
import type { Child } from "../stack/child.ts";
import type { Ground } from "../stack/ground.ts";

const CALLS = 64;
const CONNECTIONS = 32;
const BODY_BYTES = 1024;

/**
 * Sends calls through our gateway while the upstream holds every answer back, and lets each go only after another connection to Postgres has
 * seen its intent in the call log, or its attempt as `sending`. Returns how many were witnessed; throws when the upstream heard of a call whose intent was not committed.
 */
export async function witnessIntents(
  ground: Ground,
  upstream: Child,
  ours: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
): Promise<number> {
  const store = openStore(ground.postgres.socketUrl, { max: 2, name: "slowboat-bench-witness" });
  const pool = new Pool(ours.url, { connections: CONNECTIONS, pipelining: 1 });
  await upstream.ask({ witness: true });
  let seen = 0;
  let failure: Error | null = null;
  const look = async (name: string): Promise<void> => {
    const [row] = await store.sql<{ state: string }[]>`
      select state from attempt where id = ${name} union all select 'sending' from call_log where position(${name} in intents) > 0 limit 1`;
    if (row?.state === "sending") seen++;
    else failure ??= new Error(`the upstream heard of ${name} whose attempt was ${row?.state ?? "not"} committed`);
  };
  const unwatch = upstream.watch("held", (message) => {
    const name = String(message["name"]);
    void look(name)
      .catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error));
      })
      .finally(() => upstream.tell({ release: name }));
  });
  try {
    const next = chatBodies(seededRng(CALLS), BODY_BYTES);
    const call = async (): Promise<void> => {
      const reply = await pool.request({ path: "/v1/chat/completions", method: "POST", headers: ours.headers, body: next() });
      const text = await reply.body.text();
      if (reply.statusCode !== 200) throw new Error(`ours answered ${reply.statusCode}: ${text.slice(0, 500)}`);
    };
    await Promise.all(Array.from({ length: CALLS }, call));
    if (failure !== null) throw failure;
    if (seen !== CALLS) throw new Error(`${seen} of ${CALLS} intents were witnessed`);
    return seen;
  } finally {
    unwatch();
    await upstream.ask({ witness: false });
    await pool.close();
    await store.close();
  }
}
