import { testDatabase, until } from "@slowboat/testkit";
import { Queue as BullMq, createPostgresBackend } from "bullmq";
import pg from "pg";
import { expect, test } from "vitest";
import { createQueue } from "./index.ts";
import { type Place, queueConformance } from "./queue.conformance.ts";

queueConformance(async (): Promise<Place> => {
  const database = await testDatabase({ max: 1 });
  return {
    options: { backend: "postgres", url: database.url, max: 4 },
    addForeign: async (name, data) => {
      const pool = new pg.Pool({ connectionString: database.url, max: 2, options: "-c search_path=bullmq" });
      const queue = new BullMq(name, { connection: pool as never }, createPostgresBackend);
      await queue.add("foreign", data);
      await queue.close();
      await pool.end();
    },
    end: database.drop,
  };
});

test("however many consumers a process has, they share its pool and one connection that listens", async () => {
  const database = await testDatabase({ max: 1 });
  const queue = await createQueue({ backend: "postgres", url: database.url, max: 3 });
  try {
    let handled = 0;
    for (const name of ["plan", "deliver"] as const) await queue.consume(name, 5, async () => void handled++);
    for (const name of ["populate", "finalise"] as const) await queue.consume(name, 5, async () => void handled++);
    for (const name of ["lane-call", "lane-batch", "lane-pool", "settle"] as const) await queue.consume(name, 5, async () => void handled++);
    for (let i = 0; i < 20; i++) await Promise.all([queue.ring("plan", [{}, {}]), queue.ring("settle", [{ dispatchId: null }])]);
    await until(() => handled === 60, "all handled");
    const [row] = await database.store.sql<{ n: number }[]>`
      select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'slowboat-queue'`;
    expect(row?.n).toBeLessThanOrEqual(4);
  } finally {
    await queue.close();
    await database.drop();
  }
});

test("a consumer outlives the loss of every connection, and later rings are handled", async () => {
  const database = await testDatabase({ max: 1 });
  const queue = await createQueue({ backend: "postgres", url: database.url, max: 3, onError: () => undefined });
  try {
    const seen: string[] = [];
    await queue.consume("populate", 2, async ({ batchId }) => void seen.push(batchId));
    await queue.ring("populate", [{ batchId: "before" }]);
    await until(() => seen.length === 1, "the first handled");
    await database.store.sql`
      select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'slowboat-queue'`;
    await until(
      () =>
        queue.ring("populate", [{ batchId: "after" }]).then(
          () => true,
          () => false,
        ),
      "a ring after the loss",
    );
    await until(() => seen.includes("after"), "the later one handled");
    await queue.ring("populate", [{ batchId: "again" }]);
    await until(() => seen.includes("again"), "the next one woken by its ring", 2000);
  } finally {
    await queue.close();
    await database.drop();
  }
});

test("a server that is not there is said at once", async () => {
  await expect(createQueue({ backend: "postgres", url: "postgres://nobody@127.0.0.1:1/none" })).rejects.toThrow("ECONNREFUSED");
});
