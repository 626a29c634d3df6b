import { describe, expect, test } from "vitest";
import { checkCallbackUrl, exemptions, isPublicAddress } from "./callback-url.ts";
import { newWebhookSecret, openSealed, openWebhookSecret, seal } from "./seal.ts";

const SECRET = "ab".repeat(32);

describe("a sealed secret", () => {
  test("opens for its own row and secret, and for no other", () => {
    const { plain, sealed } = newWebhookSecret(SECRET, "key1");
    expect(plain).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
    expect(sealed).not.toContain(plain.slice(6));
    expect(openWebhookSecret(sealed, SECRET, "key1")).toBe(plain);
    expect(() => openWebhookSecret(sealed, SECRET, "key2")).toThrow();
    expect(() => openWebhookSecret(sealed, "cd".repeat(32), "key1")).toThrow("another secret");
  });

  test("does not open when a single character was changed", () => {
    const sealed = seal("the plain text", SECRET, "row");
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice(0, i) + (sealed[i] === "A" ? "B" : "A") + sealed.slice(i + 1);
      // Base64 has spare bits at the end of a part: a change there may decode to the same bytes.
      let opened: string | null = null;
      try {
        opened = openSealed(changed, SECRET, "row");
      } catch {
        continue;
      }
      expect([
        opened,
        changed
          .split(".")
          .map((part) => Buffer.from(part, "base64url").toString("hex"))
          .slice(2),
      ]).toEqual([
        "the plain text",
        sealed
          .split(".")
          .map((part) => Buffer.from(part, "base64url").toString("hex"))
          .slice(2),
      ]);
    }
  });
});

describe("a callback address", () => {
  test("is returned in normal form, and nothing is looked up", () => {
    expect(checkCallbackUrl("https://Hooks.Example.COM:443/a b".replace(" ", "%20"), [])).toEqual({ url: "https://hooks.example.com/a%20b" });
    expect(checkCallbackUrl("https://8.8.8.8/x", [])).toEqual({ url: "https://8.8.8.8/x" });
    expect(checkCallbackUrl("https://no-such-host.example.com/x", [])).toEqual({ url: "https://no-such-host.example.com/x" });
  });

  test.each([
    "https://a.example/\n",
    "https://a.example\\@10.0.0.1/",
    "javascript:alert(1)",
    `https://a.example/${"x".repeat(3000)}`,
    "//a.example/x",
    "https://single/x",
    "https://a.localhost./x",
  ])("%j is refused", (text) => {
    expect(checkCallbackUrl(text, [])).toHaveProperty("refused");
  });

  test("an allow-list names exact host and port, nothing near it", () => {
    const allowed = ["127.0.0.1:8080", "hooks.example.com:8443"];
    expect(checkCallbackUrl("http://127.0.0.1:8080/x", allowed)).toHaveProperty("url");
    expect(checkCallbackUrl("https://hooks.example.com:8443/x", allowed)).toHaveProperty("url");
    expect(checkCallbackUrl("http://127.0.0.1:8081/x", allowed)).toHaveProperty("refused");
    expect(checkCallbackUrl("http://u@127.0.0.1:8080/x", allowed)).toHaveProperty("refused");
  });

  test.each([
    ["[::1]:8080", "http://[::1]:8080/x"],
    ["[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080/x"],
    ["Hooks.Inside.Example:9000", "http://hooks.inside.example:9000/x"],
    ["hooks.inside.example:9000", "http://HOOKS.inside.example:9000/x"],
  ])("an allow-list entry %s lets %s through, at registration and at the dial", (pair, text) => {
    expect(checkCallbackUrl(text, [pair])).toHaveProperty("url");
    const { hostname, port } = new URL(text);
    expect(exemptions([pair])(hostname, port)).toBe(true);
    expect(exemptions([pair])(hostname.replace(/^\[|\]$/g, ""), port)).toBe(true);
    expect(exemptions([pair])(hostname, "1")).toBe(false);
  });

  test("public means reachable from anywhere", () => {
    for (const inside of [
      "10.0.0.1",
      "127.0.0.1",
      "169.254.169.254",
      "100.64.0.1",
      "168.63.129.16",
      "::1",
      "fd00::1",
      "64:ff9b::7f00:1",
      "2002:7f00:1::",
      "::7f00:1",
      "::127.0.0.1",
      "::a00:1",
      "fec0::1",
      "4000::1",
      "::ffff:10.0.0.1",
      "0.0.0.0",
      "x",
    ]) {
      expect([inside, isPublicAddress(inside)]).toEqual([inside, false]);
    }
    for (const outside of ["1.1.1.1", "2606:4700:4700::1111"]) expect(isPublicAddress(outside)).toBe(true);
  });
});
