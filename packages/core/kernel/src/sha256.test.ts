import { expect, test } from "vitest";
import { hexOf, sha256 } from "./index.ts";

test("the digest equals the published vectors", () => {
  expect(hexOf(sha256(""))).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(hexOf(sha256("abc"))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(hexOf(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))).toBe(
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
  expect(hexOf(sha256("a".repeat(1_000_000)))).toBe("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
});

test("a text and its UTF-8 bytes have one digest, beyond the basic plane too", () => {
  const bytes = Uint8Array.from([0x7a, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x9b, 0xb6]);
  expect(hexOf(sha256("zé€🛶"))).toBe(hexOf(sha256(bytes)));
});

test("every length around the block edge differs, and lone surrogates are not folded together", () => {
  const seen = new Set<string>();
  for (let n = 0; n < 200; n++) seen.add(hexOf(sha256("x".repeat(n))));
  for (const text of ["\ud800", "\udc00", "\ufffd", "\ud800\ud800"]) seen.add(hexOf(sha256(text)));
  expect(seen.size).toBe(204);
});
