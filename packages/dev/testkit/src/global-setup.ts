import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createQueue } from "@slowboat/queue";
import { systemClock } from "@slowboat/runtime";
import { type EmbeddedPostgres, migrate, openStore, startEmbeddedPostgres } from "@slowboat/store";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import type {} from "./provided.ts";
import { TEMPLATE } from "./test-database.ts";

const FOLDER = "slowboat-test-";

interface Run {
  server: Promise<EmbeddedPostgres>;
  dir: string;
  users: number;
}

// Each vitest project loads this file anew; the process is what they share.
const shared = process as unknown as { slowboatTestRun?: Run };

/** Starts one Postgres a vitest run, shared by all projects that need one, and ends it with the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.slowboatTestRun ??= begin();
  const run = shared.slowboatTestRun;
  run.users++;
  project.provide("postgresUrl", (await run.server).url);
  return async () => {
    if (--run.users > 0) return;
    delete shared.slowboatTestRun;
    await (await run.server).stop();
    rmSync(run.dir, { recursive: true, force: true });
  };
}

function begin(): Run {
  sweep();
  const dir = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`));
  return { server: prepare(dir), dir, users: 0 };
}

async function prepare(dir: string): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dir, port: 0, durable: false });
  const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
  await admin`create database ${admin(TEMPLATE)}`;
  await admin.end();
  const url = new URL(server.url);
  url.pathname = `/${TEMPLATE}`;
  const store = openStore(url.href, { max: 1 });
  await migrate(store, systemClock().real());
  await store.close();
  await (await createQueue({ backend: "postgres", url: url.href })).close(); // makes the queue's tables
  return server;
}

/** Folders of runs that were killed. Their servers ended with them. */
function sweep(): void {
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith(FOLDER))) {
    const pid = Number(name.slice(FOLDER.length).split("-")[0]);
    try {
      process.kill(pid, 0);
    } catch {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}
