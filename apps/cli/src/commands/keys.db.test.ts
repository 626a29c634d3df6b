import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyVerifier } from "@slowboat/intake";
import { type TestDatabase, testClock, testDatabase } from "@slowboat/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainEnvironment } from "../config.ts";
import { ROOT } from "../root.ts";

// The commands as an operator types them, each a process of its own, on a database of the test's.

const SECRET = "8".repeat(64);
let database: TestDatabase;
let dir: string;

beforeAll(async () => {
  database = await testDatabase();
  dir = await mkdtemp(join(tmpdir(), "slowboat-keys-"));
});
afterAll(async () => {
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly said: string;
}

const slowboat = (...args: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const env = { ...plainEnvironment(), DATABASE_URL: database.url, SLOWBOAT_SECRET: SECRET, SLOWBOAT_DATA_DIR: dir };
    execFile(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), ...args], { env }, (error, out, said) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, said }),
    );
  });
const json = async (...args: string[]) => JSON.parse((await slowboat("--json", ...args)).out) as Record<string, unknown>;
const opens = (key: string) => keyVerifier({ sql: database.store.sql, secret: SECRET, clock: testClock() })(key);

test("keys create prints key and webhook secret once, and the key opens the door of its tenant", async () => {
  const made = await slowboat("keys", "create", "--tenant", "acme", "--name", "ci");
  expect(made.code, made.said).toBe(0);
  const [key = "", secret = ""] = made.out.trim().split("\n");
  expect(secret).toMatch(/^whsec_/);
  expect(made.said).not.toContain(key);
  expect(await opens(key)).toMatchObject({ tenantName: "acme", allowUnpriced: false, retentionDays: 30 });
  const listed = await slowboat("keys", "list");
  expect(listed.out).toContain("acme  ci");
  expect(listed.out).not.toContain(key);
});

test("keys revoke closes it, says so as JSON too, and knows what it does not know", async () => {
  const made = await json("keys", "create", "--tenant", "acme");
  const revoked = { key_id: made["key_id"], tenant: "acme", revoked: true };
  expect(await json("keys", "revoke", String(made["key_id"]))).toEqual({ ...revoked, revoked_now: true });
  expect(await json("keys", "revoke", String(made["key_id"]))).toEqual({ ...revoked, revoked_now: false });
  await expect(opens(String(made["key"]))).rejects.toThrow("Incorrect API key");
  expect(await slowboat("keys", "revoke", "nobody")).toMatchObject({ code: 1, said: expect.stringContaining("no key with the id 'nobody'") });
});

test("keys create --allow-unpriced and tenants set change what a tenant may do, and only what is named", async () => {
  const { key } = await json("keys", "create", "--tenant", "odd", "--allow-unpriced");
  expect(await opens(String(key))).toMatchObject({ allowUnpriced: true, retentionDays: 30 });
  expect(await json("tenants", "set", "odd", "--retention-days", "7")).toMatchObject({ name: "odd", allow_unpriced: true, retention_days: 7 });
  expect(await json("tenants", "set", "odd", "--no-allow-unpriced")).toMatchObject({ allow_unpriced: false, retention_days: 7 });
  expect(await opens(String(key))).toMatchObject({ allowUnpriced: false, retentionDays: 7 });
  expect((await slowboat("tenants", "list")).out).toContain("priced models only  results kept 7 days  odd");
  expect(await slowboat("tenants", "set", "nobody", "--retention-days", "7")).toMatchObject({ code: 1 });
  for (const args of [["odd"], ["odd", "--retention-days", "3651"], ["odd", "--retention-days", "a"]])
    expect(await slowboat("tenants", "set", ...args), args.join(" ")).toMatchObject({ code: 2 });
}, 60_000);

test("tenants set --fallbacks names the models that stand in for others, refuses one that nobody knows, and '' ends it", async () => {
  const { key } = await json("keys", "create", "--tenant", "chained");
  const set = async (models: string) => await json("tenants", "set", "chained", "--fallbacks", models);
  expect(await set("claude-haiku-4-5, gpt-6-luna")).toMatchObject({ fallbacks: ["claude-haiku-4-5", "gpt-6-luna"], retention_days: 30 });
  expect(await opens(String(key))).toMatchObject({ fallbacks: '["claude-haiku-4-5","gpt-6-luna"]' });
  const unknown = await slowboat("tenants", "set", "chained", "--fallbacks", "gpt-0");
  expect(unknown).toMatchObject({ code: 2, said: expect.stringContaining("'gpt-0' does not exist") });
  expect((await slowboat("tenants", "list")).out).toContain("falls back on claude-haiku-4-5, gpt-6-luna");
  expect(await set("")).toMatchObject({ fallbacks: [] });
  expect(await opens(String(key))).toMatchObject({ fallbacks: null });
}, 60_000);

test("tenants set --models-allow and --models-deny say who may be asked in another's place, each keeping the other, and '' ends it", async () => {
  const { key } = await json("keys", "create", "--tenant", "choosy");
  const set = async (...args: string[]) => (await json("tenants", "set", "choosy", ...args))["models"];
  expect(await set("--models-deny", "gpt-5-mini")).toEqual({ allow: null, deny: ["gpt-5-mini"] });
  expect(await set("--models-allow", "gpt-5-mini, gpt-5.5")).toEqual({ allow: ["gpt-5-mini", "gpt-5.5"], deny: ["gpt-5-mini"] });
  expect(await opens(String(key))).toMatchObject({ models: '{"allow":["gpt-5-mini","gpt-5.5"],"deny":["gpt-5-mini"]}' });
  expect((await slowboat("tenants", "list")).out).toContain("stand-ins only gpt-5-mini, gpt-5.5  no stand-ins gpt-5-mini");
  const unknown = await slowboat("tenants", "set", "choosy", "--models-deny", "gpt-0");
  expect(unknown).toMatchObject({ code: 2, said: expect.stringContaining("'gpt-0' does not exist") });
  expect(await set("--models-allow", "", "--models-deny", "")).toEqual({ allow: null, deny: [] });
  expect(await opens(String(key))).toMatchObject({ models: null });
}, 60_000);
