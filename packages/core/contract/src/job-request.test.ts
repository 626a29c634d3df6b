import { isFault } from "@slowboat/kernel";
import { describe, expect, test } from "vitest";
import { nearestWord, readJobRequest } from "./job-request.ts";

const problem = (value: unknown): [string, string | undefined, string] => {
  try {
    readJobRequest(value);
  } catch (error) {
    if (isFault(error)) return [error.code, error.detail.param, error.message];
    throw error;
  }
  return ["none", undefined, ""];
};

describe("the envelope of a job", () => {
  test("keeps metadata of any name, __proto__ too, byte for byte", () => {
    const metadata = JSON.parse('{"__proto__":"kept","a":"b"}');
    expect(JSON.stringify(readJobRequest({ body: {}, metadata }).metadata)).toBe('{"__proto__":"kept","a":"b"}');
    expect(problem({ body: {}, metadata: JSON.parse('{"__proto__":{"deadline":"4h"}}') })[1]).toBe("metadata.__proto__");
  });

  test("says what the window of a batch is called here", () => {
    expect(problem({ body: {}, completion_window: "24h" })[2]).toBe("Unknown field 'completion_window'. Did you mean 'deadline'?");
  });

  test("holds the request flat or nested, never both", () => {
    expect(readJobRequest({ body: { model: "m" } }).body).toEqual({ model: "m" });
    expect(readJobRequest({ request: { url: "/v1/embeddings", body: {} } }).request?.url).toBe("/v1/embeddings");
    expect(problem({ body: {}, request: { body: {} } }).slice(0, 2)).toEqual(["invalid-request", "body"]);
    expect(problem({}).slice(0, 2)).toEqual(["missing-parameter", "body"]);
  });

  test("names an unknown field and the nearest known one, nested too", () => {
    expect(problem({ body: {}, calback_url: "x" })[2]).toBe("Unknown field 'calback_url'. Did you mean 'callback_url'?");
    expect(problem({ request: { body: {}, ur: "x" } })[2]).toBe("Unknown field 'request.ur'. Did you mean 'request.url'?");
    expect(nearestWord("Metadata", ["body", "metadata"])).toBe("metadata");
  });

  test.each([
    [{ body: [] }, "body"],
    [{ body: {}, endpoint: "/v1/nothing" }, "endpoint"],
    [{ body: {}, deadline: 5 }, "deadline"],
    [{ body: {}, metadata: { a: 1 } }, "metadata.a"],
    [{ body: {}, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"])) }, "metadata"],
    [{ body: {}, cache: 5 }, "cache"],
    [{ body: {}, allow: "batch" }, "allow"],
  ])("says which field is wrong: %j", (value, param) => {
    expect(problem(value).slice(0, 2)).toEqual(["invalid-request", param]);
  });
});
