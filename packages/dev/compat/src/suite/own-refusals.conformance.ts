import { describe, expect, test } from "vitest";
import type { Stack } from "../stack.ts";

const VERSIONS = ["2023-06-01", "2026-10-21"];
const MESSAGE = JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 9, messages: [{ role: "user", content: "Name a river." }] });
const CHAT = JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Name a river." }] });

/** Who may call us how, and what everybody else is told: every refusal in the shape of the API that was called, as the witness checks. */
export const refusalsSuite = (at: () => Stack): void => {
  describe("refusals", () => {
    const call = (method: string, path: string, headers: Record<string, string>, body?: RequestInit["body"]): Promise<Response> =>
      at().witness.fetch(`${at().url}${path}`, {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body, duplex: "half" }),
      } as RequestInit);
    const bearer = (): Record<string, string> => ({ authorization: `Bearer ${at().key}` });
    const xKey = (): Record<string, string> => ({ "x-api-key": at().key });

    test("both ways of showing a key are taken on both APIs, under both API versions", async () => {
      for (const auth of [bearer(), xKey()]) {
        expect((await call("POST", "/v1/chat/completions", auth, CHAT)).status).toBe(200);
        for (const version of VERSIONS) {
          expect((await call("POST", "/v1/messages", { ...auth, "anthropic-version": version }, MESSAGE)).status).toBe(200);
          expect((await call("GET", "/v1/messages/batches", { ...auth, "anthropic-version": version })).status).toBe(200);
          expect((await call("GET", "/v1/models", { ...auth, "anthropic-version": version })).status).toBe(200);
        }
      }
    });

    test("the caller's API version goes on to the provider and decides there", async () => {
      const warm = JSON.stringify({ ...(JSON.parse(MESSAGE) as object), temperature: 1 });
      for (const [version, status] of [
        ["2023-06-01", 200],
        ["2026-10-21", 400],
      ] as const) {
        expect((await call("POST", "/v1/messages", { ...xKey(), "anthropic-version": version, "anthropic-beta": "odd-2026" }, warm)).status).toBe(
          status,
        );
        const heard = at().provider.heard.findLast((one) => one.path === "/v1/messages");
        expect(heard?.headers).toMatchObject({ "anthropic-version": version, "anthropic-beta": "odd-2026" });
        // Never the caller's key: the account's own.
        expect(JSON.stringify(heard?.headers)).not.toContain(at().key);
      }
    });

    test("an Anthropic path without a version is a 400, with a bad one too", async () => {
      for (const headers of [xKey(), { ...xKey(), "anthropic-version": "latest" }]) {
        for (const [method, path, body] of [
          ["POST", "/v1/messages", MESSAGE],
          ["POST", "/v1/messages/count_tokens", MESSAGE],
          ["POST", "/v1/messages/batches", "{}"],
          ["GET", "/v1/messages/batches", undefined],
        ] as const) {
          const response = await call(method, path, headers, body);
          expect([path, response.status]).toEqual([path, 400]);
          expect(await response.json()).toMatchObject({ type: "error", error: { type: "invalid_request_error" } });
        }
      }
    });

    test("a wrong key is 401 and none is 401, on every path, also on one that is not there", async () => {
      for (const auth of [
        {},
        { authorization: "Bearer sk-wrong-wrong-wrong" },
        { "x-api-key": "sk-wrong-wrong-wrong" },
        { authorization: "Basic eDp5" },
      ]) {
        for (const path of ["/v1/chat/completions", "/v1/files", "/v1/batches/batch_x", "/v1/nothing"]) {
          const response = await call("POST", path, auth as Record<string, string>, "{}");
          expect([path, response.status]).toEqual([path, 401]);
          expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error", code: "invalid_api_key" } });
        }
        for (const path of ["/v1/messages", "/v1/messages/batches", "/v1/messages/none"]) {
          const response = await call("POST", path, { ...(auth as Record<string, string>), "anthropic-version": "2023-06-01" }, "{}");
          expect([path, response.status]).toEqual([path, 401]);
          expect(await response.json()).toMatchObject({ type: "error", error: { type: "authentication_error" } });
        }
      }
    });

    test("an unknown path is 404, a known one with a wrong method 405 that names the right ones", async () => {
      const anthropic = { ...xKey(), "anthropic-version": "2023-06-01" };
      for (const [method, path, headers, status, type] of [
        ["GET", "/v1/nothing", bearer(), 404, "invalid_request_error"],
        ["POST", "/v1/batches/x/y", bearer(), 404, "invalid_request_error"],
        ["GET", "/v1/messages/x/y", anthropic, 404, "not_found_error"],
        ["POST", "/v1/complete", anthropic, 404, "not_found_error"],
        ["GET", "/v1/chat/completions", bearer(), 405, "invalid_request_error"],
        ["DELETE", "/v1/batches", bearer(), 405, "invalid_request_error"],
        ["PUT", "/v1/files/file-x", bearer(), 405, "invalid_request_error"],
        ["GET", "/v1/messages", anthropic, 405, "invalid_request_error"],
        ["PUT", "/v1/messages/batches", anthropic, 405, "invalid_request_error"],
      ] as const) {
        const response = await call(method, path, headers);
        const told = (await response.json()) as { error: { type: string } };
        expect([method, path, response.status, told.error.type]).toEqual([method, path, status, type]);
        if (status === 405) expect(response.headers.get("allow")).toMatch(/^[A-Z, ]+$/);
      }
    });

    test("a body that is too large is 413, announced or not, and does not reach the provider", async () => {
      const before = at().provider.heard.length;
      const large = `{"model":"gpt-5-mini","messages":[{"role":"user","content":"${"x".repeat(33 * 1024 * 1024)}"}]}`;
      for (const [path, headers, type] of [
        ["/v1/chat/completions", bearer(), "invalid_request_error"],
        ["/v1/messages", { ...xKey(), "anthropic-version": "2023-06-01" }, "request_too_large"],
      ] as const) {
        const announced = await call("POST", path, headers, large).catch(() => null);
        const chunked = await call(
          "POST",
          path,
          headers,
          ReadableStream.from([large.slice(0, 100), large.slice(100)].map((part) => Buffer.from(part))) as RequestInit["body"],
        ).catch(() => null);
        // The refusal may close the connection while the client is still sending.
        for (const response of [announced, chunked]) {
          if (response === null) continue;
          expect(response.status).toBe(413);
          expect(((await response.json()) as { error: { type: string } }).error.type).toBe(type);
        }
      }
      expect(at().provider.heard.length).toBe(before);
    });

    test("what is no JSON object in UTF-8, or nested too deep, is 400", async () => {
      const deep = `{"model":"gpt-5-mini","messages":${"[".repeat(5000)}${"]".repeat(5000)}}`;
      for (const body of ["", "{", "[]", "null", '"x"', deep, Buffer.from('{"model":"\xff"}', "latin1")]) {
        expect((await call("POST", "/v1/chat/completions", bearer(), body)).status).toBe(400);
        expect((await call("POST", "/v1/messages", { ...xKey(), "anthropic-version": "2023-06-01" }, body)).status).toBe(400);
        expect((await call("POST", "/v1/batches", bearer(), body)).status).toBe(400);
      }
    });

    test("another tenant's objects are 404", async () => {
      const mine = (await (
        await call(
          "POST",
          "/v1/messages/batches",
          { ...xKey(), "anthropic-version": "2023-06-01" },
          `{"requests":[{"custom_id":"a","params":${MESSAGE}}]}`,
        )
      ).json()) as { id: string };
      const stranger = { "x-api-key": await at().newKey(), "anthropic-version": "2023-06-01" };
      for (const [method, tail] of [
        ["GET", ""],
        ["GET", "/results"],
        ["POST", "/cancel"],
        ["DELETE", ""],
      ] as const)
        expect((await call(method, `/v1/messages/batches/${mine.id}${tail}`, stranger)).status).toBe(404);
    });
  });
};
