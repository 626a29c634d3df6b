import { isFault } from "@slowboat/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { messageRequest, uniqueCustomIds } from "./message-request.ts";
import { requestsScanner, type ScannedElement } from "./scan-requests.ts";

const scan = (body: Uint8Array | string, chunkBytes = 7): ScannedElement[] => {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const scanner = requestsScanner(1 << 20);
  const found: ScannedElement[] = [];
  for (let i = 0; i < bytes.length; i += chunkBytes) found.push(...scanner.push(bytes.subarray(i, i + chunkBytes)));
  expect(scanner.end().count).toBe(found.length);
  return found;
};

const refusal = (body: string): string => {
  try {
    const unique = uniqueCustomIds();
    for (const element of scan(body)) unique(messageRequest(element).customId);
  } catch (error) {
    return isFault(error) ? `${error.code}: ${error.message}` : String(error);
  }
  return "accepted";
};

describe("the requests of a message batch are found in a stream", () => {
  test("whatever the chunks, elements and their byte offsets are those of the whole body (property)", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            custom_id: fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
            params: fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 4 })),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        fc.dictionary(
          fc.string({ unit: "grapheme" }).filter((k) => k !== "requests" && k !== "__proto__"),
          fc.jsonValue({ maxDepth: 3 }),
          { maxKeys: 3 },
        ),
        fc.constantFrom(undefined, 1, "\t"),
        fc.integer({ min: 1, max: 64 }),
        fc.boolean(),
        (requests, extra, indent, chunkBytes, last) => {
          const body = JSON.stringify(last ? { ...extra, requests } : { requests, ...extra }, null, indent);
          const bytes = Buffer.from(body);
          const found = scan(bytes, chunkBytes);
          expect(found.map((e) => e.value)).toEqual(JSON.parse(body).requests);
          for (const element of found) {
            expect(bytes.subarray(element.offset, element.offset + Buffer.byteLength(element.text)).toString()).toBe(element.text);
            const request = messageRequest(element);
            expect(bytes.subarray(request.offset, request.offset + request.bytes).toString()).toBe(request.params);
          }
        },
      ),
      { numRuns: 300, verbose: 1 },
    );
  });

  test("escaped keys, big integers, \\u0000 and lone surrogates keep their bytes", () => {
    const params = '{"model":"claude-haiku-4-5","max_tokens":9007199254740993,"messages":[{"role":"user","content":"\\u0000 \\ud800 ü"}]}';
    const [element] = scan(`{"a":{"requests":[1]},"b":"requests","\\u0072equests" : [ {"x":"[,]","custom_id":"a","params":${params}} ] }`, 3);
    expect(messageRequest(element as ScannedElement).params).toBe(params);
  });

  test("an element larger than a line may be is cut off instead of being held", () => {
    const scanner = requestsScanner(1000);
    scanner.push(Buffer.from('{"requests":[{"custom_id":"a","params":{"x":"'));
    expect(() => {
      for (let i = 0; i < 100; i++) scanner.push(Buffer.alloc(100, "x"));
    }).toThrow(/at most 1000 bytes/);
  });

  test("a body that is no JSON is refused, wherever it breaks", () => {
    const whole = '{"requests":[{"custom_id":"a","params":{}},{"custom_id":"b","params":{"k":[1,2]}}],"x":1}';
    for (let cut = 0; cut < whole.length; cut++)
      expect(refusal(whole.slice(0, cut)), `cut at ${cut}`).toBe("invalid-json: The request body is not valid JSON.");
    for (const broken of [
      '{"requests":[{},]}',
      '{"requests":[,{}]}',
      '{"requests":[{} {}]}',
      '{"requests":[{}]} x',
      '{"requests":[{]}',
      "",
      "[",
      '{"requests":[{}}',
    ]) {
      expect(refusal(broken), broken).toBe("invalid-json: The request body is not valid JSON.");
    }
    expect(refusal(`{"requests":[${"[".repeat(5000)}${"]".repeat(5000)}]}`)).toMatch(/json-too-deep/);
    expect(refusal(`{"requests":[{"custom_id":"a","params":{"x":"\xff"}}],"x":${"[".repeat(5000)}`)).toMatch(/json-too-deep/);
  });

  test("problems of custom_id are told in the provider's words", () => {
    const of = (...requests: unknown[]): string => refusal(JSON.stringify({ requests }));
    expect(of({ custom_id: "dup", params: {} }, { custom_id: "dup", params: {} })).toBe(
      "invalid-request: requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
    );
    expect(of({ params: {} })).toBe("invalid-request: requests.0.custom_id: Field required");
    expect(of({ custom_id: "a", params: {} }, { custom_id: "x".repeat(65), params: {} })).toBe(
      "invalid-request: requests.1.custom_id: String should have at most 64 characters",
    );
    expect(of({ custom_id: "a b", params: {} })).toBe("invalid-request: requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'");
    expect(of()).toBe("invalid-request: requests: List should have at least 1 item after validation, not 0");
    expect(refusal("{}")).toBe("invalid-request: requests: Field required");
    expect(refusal('{"requests":3}')).toBe("invalid-request: requests: Input should be a valid list");
    expect(of({ custom_id: "a" })).toBe("invalid-request: requests.0.params: Field required");
    expect(of(null)).toBe("invalid-request: requests.0: Input should be a valid dictionary");
    expect(of("x", 1)).toBe("invalid-request: requests.0: Input should be a valid dictionary");
  });
});
