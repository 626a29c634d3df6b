import { randomUUID } from "node:crypto";
import type { Rng } from "@slowboat/kernel";
import { openStore } from "@slowboat/store";
import { chatBodies } from "../lines.ts";
import { openClient } from "../stack/client.ts";
import type { Ground } from "../stack/ground.ts";
import { closedLoop, type Load, openLoop } from "./load.ts";

/** What was measured of single jobs. */
export interface SingleLoads {
  /** One-row inserts, each a durable transaction of its own, paced as the jobs were. */
  readonly bare: Load;
  readonly paced: Load;
  readonly crowd: Load;
  /** Jobs that were accepted; every one was found committed. */
  readonly accepted: number;
}

const BODY_BYTES = 1024;
const PER_SECOND = 50;
const CONNECTIONS = 32;
const WARM_MS = 1500;

/** Measures `POST /v1/jobs` paced and crowded, with a bare transaction in the same seconds as the paced jobs. */
export async function measureSingle(
  ground: Ground,
  url: string,
  rng: Rng,
  times: { readonly pacedMs: number; readonly crowdMs: number },
): Promise<SingleLoads> {
  const client = openClient(url, ground.key, CONNECTIONS);
  // Its own pool, of the API's size, so that neither waits for the other's connections.
  const bare = openStore(ground.postgres.socketUrl, { max: 8, name: "slowboat-bench-bare" });
  const accepted: string[] = [];
  const next = chatBodies(rng, BODY_BYTES);
  try {
    await bare.sql`create table if not exists bench_bare (id text primary key, body text not null)`;
    const insert = async (): Promise<void> => void (await bare.sql`insert into bench_bare (id, body) values (${randomUUID()}, ${next()})`);
    const submit = async (): Promise<void> => {
      const job = await client.post("/v1/jobs", `{"body":${next()},"deadline":"24h"}`);
      accepted.push(String(job["id"]));
    };
    await openLoop(PER_SECOND, WARM_MS, [insert, submit]);
    const [bareLoad, paced] = await openLoop(PER_SECOND, times.pacedMs, [insert, submit]);
    await closedLoop(CONNECTIONS, WARM_MS, submit);
    const crowd = await closedLoop(CONNECTIONS, times.crowdMs, submit);
    if (!bareLoad || !paced) throw new Error("the loop ran two kinds");
    await checkCommitted(ground.postgres.socketUrl, accepted);
    return { bare: bareLoad, paced, crowd, accepted: accepted.length };
  } finally {
    await client.close();
    await bare.close();
  }
}

/** Accepted means committed: a connection that was not there before must find every id that was given out. */
async function checkCommitted(databaseUrl: string, ids: readonly string[]): Promise<void> {
  const store = openStore(databaseUrl, { max: 1, name: "slowboat-bench-check" });
  try {
    const found = await store.sql<{ id: string }[]>`select id from job where id = any(${ids as string[]}::text[])`;
    const committed = new Set(found.map((row) => row.id));
    const lost = ids.filter((id) => !committed.has(id));
    if (lost.length > 0) throw new Error(`${lost.length} of ${ids.length} accepted jobs are not in Postgres, the first is ${lost[0]}`);
  } finally {
    await store.close();
  }
}
