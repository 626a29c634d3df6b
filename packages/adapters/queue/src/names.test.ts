import { expect, test } from "vitest";
import { QUEUES } from "./names.ts";

/** What Redis Cluster hashes of a key: what stands in its first braces, where they hold something. */
const hashTag = (key: string): string => /\{([^}]+)\}/.exec(key)?.[1] ?? key;

test("all keys of a queue lie in one slot of a Redis Cluster, and queues are told apart", () => {
  const names = Object.values(QUEUES).map(({ name }) => name);
  for (const name of names) {
    const keys = ["wait", "active", "events", "1", "1:lock", "meta"].map((suffix) => `slowboat:${name}:${suffix}`);
    expect(new Set(keys.map(hashTag)).size, name).toBe(1);
    expect(hashTag(keys[0] ?? ""), name).not.toBe(keys[0]);
  }
  expect(new Set(names).size).toBe(names.length);
});

test("a payload has room for ids and for nothing else", () => {
  for (const [name, { payload }] of Object.entries(QUEUES)) {
    const shape = Object.keys(payload.shape);
    for (const key of shape) expect(key, name).toMatch(/Id$/);
    expect(payload.safeParse({ ...Object.fromEntries(shape.map((key) => [key, "x"])), body: "a prompt" }).success, name).toBe(false);
  }
});
