import { readApiKey } from "@slowboat/contract";
import { openWebhookSecret } from "@slowboat/runtime";
import { type TestClock, type TestDatabase, testClock, testDatabase, testRng } from "@slowboat/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKey, createTenant, keyVerifier, revokeKey } from "./keys.ts";

const secret = "3".repeat(64);
let db: TestDatabase;
let clock: TestClock;
const rng = testRng(7);
let tenantId: string;

beforeAll(async () => {
  db = await testDatabase();
  clock = testClock();
  tenantId = await createTenant(db.store.sql, { name: "t", nowMs: clock.job(), rng });
});
afterAll(() => db.drop());

const newKey = (own?: string) =>
  createKey(db.store.sql, { tenantId, name: "k", secret, nowMs: clock.job(), rng, ...(own === undefined ? {} : { own }) });
const verifier = () => keyVerifier({ sql: db.store.sql, secret, clock });

describe("API keys", () => {
  test("are stored as an HMAC only; the webhook secret opens with the installation's secret", async () => {
    const made = await newKey();
    if (made === null) throw new Error("no key");
    const [row] = await db.store.sql<
      { row: string; sealed: string }[]
    >`select k::text as row, webhook_secret_sealed as sealed from api_key k where id = ${made.keyId}`;
    expect(row?.row).not.toContain(made.key.slice(23, 60));
    expect(openWebhookSecret(row?.sealed ?? "", secret, made.keyId)).toBe(made.webhookSecret);
    expect(await verifier()(made.key)).toMatchObject({ tenantId, keyId: made.keyId, tenantName: "t" });
  });

  test("names of tenants and keys are bounded", async () => {
    for (const name of ["", " x", "x ", "a\nb", "\u0000", "\ud800", "x".repeat(65)]) {
      await expect(createTenant(db.store.sql, { name, nowMs: clock.job(), rng })).rejects.toThrow("name of the tenant");
      await expect(createKey(db.store.sql, { tenantId, name, secret, nowMs: clock.job(), rng })).rejects.toThrow("name of the key");
    }
  });

  test("a mistyped key is refused without a look at the database", async () => {
    const made = await newKey();
    const dead = keyVerifier({ sql: (() => Promise.reject(new Error("asked"))) as never, secret, clock });
    await expect(dead(`${made?.key.slice(0, -1)}!`)).rejects.toThrow("Incorrect API key");
    await expect(dead(undefined)).rejects.toThrow("No API key");
    await expect(dead("short")).rejects.toThrow("Incorrect API key");
  });

  test("the right id with another secret part is refused", async () => {
    const made = await newKey();
    const other = await newKey();
    // A key that nobody made, with a right checksum: another key's text under this key's id.
    await db.store.sql`update api_key set id = 'zzzzzzzz' where id = ${made?.keyId ?? ""}`;
    expect(readApiKey(made?.key ?? "")).not.toBe("mistyped");
    await db.store.sql`update api_key set id = ${made?.keyId ?? ""} where id = ${other?.keyId ?? ""}`;
    await expect(verifier()(made?.key)).rejects.toThrow("Incorrect API key");
  });

  test("a revoked key works for ten seconds at most where it was known, and nowhere else", async () => {
    const made = await newKey();
    const verify = verifier();
    await verify(made?.key);
    expect(await revokeKey(db.store.sql, { tenantId, keyId: made?.keyId ?? "", nowMs: clock.job() })).toBe(true);
    expect(await revokeKey(db.store.sql, { tenantId, keyId: made?.keyId ?? "", nowMs: clock.job() })).toBe(false);
    await verify(made?.key);
    await expect(verifier()(made?.key)).rejects.toThrow("Incorrect API key");
    clock.advance(10_001);
    await expect(verify(made?.key)).rejects.toThrow("Incorrect API key");
  });

  test("an operator's own key is taken once, again without change, and never when it is too short or another tenant's", async () => {
    const own = "sk-operator-chosen-key-0123";
    const made = await newKey(own);
    expect(made).toMatchObject({ key: own, keyId: expect.stringMatching(/^[0-9a-f]{8}$/) });
    expect(await newKey(own)).toBeNull();
    expect(await verifier()(own)).toMatchObject({ tenantId, keyId: made?.keyId });
    await expect(newKey("short")).rejects.toThrow("16 to 200");
    await expect(newKey("has spaces in the middle")).rejects.toThrow("16 to 200");
    const stranger = await createTenant(db.store.sql, { name: "other", nowMs: clock.job(), rng });
    await expect(createKey(db.store.sql, { tenantId: stranger, name: "k", secret, nowMs: clock.job(), rng, own })).rejects.toThrow("cannot be used");
  });

  test("a key made with another pepper does not open this house", async () => {
    const foreign = await createKey(db.store.sql, { tenantId, name: "k", secret: "4".repeat(64), nowMs: clock.job(), rng });
    await expect(verifier()(foreign?.key)).rejects.toThrow("Incorrect API key");
  });
});
