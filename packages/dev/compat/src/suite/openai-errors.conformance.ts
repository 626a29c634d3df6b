import type OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { OPENAI, type OpenAiVersion, openAiOf, type Target, thrown } from "../target.ts";

const MODEL = "gpt-5-mini";
const PATH = "/v1/chat/completions";
const ask = (content: string, more: object = {}) => ({ model: MODEL, messages: [{ role: "user" as const, content }], ...more });

/** Answered in more pieces than a cut lets through. */
const LONG = ask("Tell me of every river, its length, its ships, its bridges and its towns, one after the other, in their order.");

/** What goes wrong, as the client's error classes, and what its retries cost. */
export const openAiErrorsSuite = (at: () => Target, version: OpenAiVersion): void => {
  describe(`errors, ${version}`, () => {
    const client = (options: object = {}): OpenAI => openAiOf(at(), version, options);
    const SDK = OPENAI[version];
    const paid = async (work: () => Promise<unknown>): Promise<number> => {
      const before = await at().charges();
      await work();
      return (await at().charges()) - before;
    };

    test("each status is the client's class for it, with request id, param and code", async () => {
      const bad = await thrown(client().chat.completions.create({ model: MODEL } as never));
      expect(bad).toBeInstanceOf(SDK.BadRequestError);
      expect(bad).toMatchObject({ status: 400, type: "invalid_request_error", code: "missing_required_parameter", param: "messages" });
      expect(bad["requestID"]).toMatch(/^req_/);
      const nobody = await thrown(client({ defaultHeaders: { authorization: null } }).models.list());
      expect(nobody).toBeInstanceOf(SDK.AuthenticationError);
      expect(nobody).toMatchObject({ status: 401, type: "invalid_request_error", code: "invalid_api_key" });
      const unknown = await thrown(client().chat.completions.create({ ...ask("x"), model: "gpt-none" }));
      expect(unknown).toBeInstanceOf(SDK.NotFoundError);
      expect(unknown).toMatchObject({ status: 404, code: "model_not_found" });
      const nowhere = await thrown(client().get("/nothing"));
      expect(nowhere).toBeInstanceOf(SDK.NotFoundError);
    });

    test("a refusal for its rate is 429 with the wait that the provider asks for, and is not charged", async () => {
      at().faults({ match: { path: PATH }, preset: "rate-limit", times: 3 });
      const charged = await paid(async () => {
        const error = await thrown(client().chat.completions.create(ask("too fast")));
        expect(error).toBeInstanceOf(SDK.RateLimitError);
        expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded" });
        const headers = error["headers"] as Headers;
        expect(headers.get("retry-after")).toBe("1");
        expect(headers.get("retry-after-ms")).toBe(String(Math.ceil(450 / at().scale)));
        expect(headers.get("x-ratelimit-remaining-tokens")).toBe("1000");
      });
      expect(charged).toBe(0);
    });

    test("the client's own retry gets through, and one answer is paid for", async () => {
      at().faults({ match: { path: PATH }, preset: "rate-limit", times: 3, headers: { "retry-after-ms": "1" } });
      const charged = await paid(() => client({ maxRetries: 3 }).chat.completions.create(ask("again")));
      expect(charged).toBe(1);
    });

    const read = async (): Promise<string> => {
      let text = "";
      for await (const chunk of await client().chat.completions.create({ ...LONG, stream: true })) text += chunk.choices[0]?.delta.content ?? "";
      return text;
    };

    test.each(["eof", "half-line", "reset", "error"] as const)("a stream that ends early (%s) is an error to whoever accumulates it", async (end) => {
      at().faults({ match: { path: PATH }, stream: { afterEvents: 3, end } });
      const error = await thrown(client().chat.completions.stream(LONG).finalChatCompletion());
      expect(error).toBeInstanceOf(SDK.OpenAIError);
    });

    test.each(["reset", "error"] as const)("a stream that ends early (%s) is an error to whoever reads it raw", async (end) => {
      at().faults({ match: { path: PATH }, stream: { afterEvents: 3, end } });
      const error = await thrown(read());
      if (end === "error" || at().name === "slowboat") expect(error).toBeInstanceOf(SDK.APIError);
    });

    test("a stream that ends cleanly in the middle looks whole to whoever reads a provider raw, and never does through us", async () => {
      const whole = await read();
      at().faults({ match: { path: PATH }, stream: { afterEvents: 3, end: "eof" } });
      if (at().name === "slowboat") expect(await thrown(read())).toBeInstanceOf(SDK.APIError);
      else expect(whole.startsWith(await read())).toBe(true);
      at().faults({ match: { path: PATH }, stream: { afterEvents: 3, end: "half-line" } });
      if (at().name === "slowboat") expect(await thrown(read())).toBeInstanceOf(SDK.APIError);
      else if (version === "openai 7") expect(await thrown(read())).toBeInstanceOf(SyntaxError);
      else expect(whole.startsWith(await read())).toBe(true);
    });

    test.each(["eof", "half-line", "reset", "error"] as const)("a response's stream that ends early (%s) is never whole", async (end) => {
      at().faults({ match: { path: "/v1/responses" }, stream: { afterEvents: 6, end } });
      const types: string[] = [];
      const read = async (): Promise<void> => {
        const stream = await client().responses.create({ model: MODEL, input: LONG.messages[0]?.content ?? "", stream: true });
        for await (const event of stream) types.push(event.type);
      };
      const error = await read().then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(types).not.toContain("response.completed");
      // The provider's own error event goes through as it is: the older client hands it out, the newer one raises it.
      if (end === "error") expect(version === "openai 6" ? types.at(-1) : error).toEqual(version === "openai 6" ? "error" : expect.any(SDK.APIError));
      else if (at().name === "slowboat") expect(error).toBeInstanceOf(SDK.APIError);
    });

    test("a stream that said how it ended is whole, also without its closing mark", async () => {
      at().faults({ match: { path: PATH }, stream: { afterEvents: 100_000, end: "eof" } });
      const final = await client().chat.completions.stream(ask("unmarked")).finalChatCompletion();
      expect(final.choices[0]?.finish_reason).toBe("stop");
    });
  });
};
