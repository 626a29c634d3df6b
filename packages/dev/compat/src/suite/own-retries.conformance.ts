import { describe, expect, test } from "vitest";
import type { Stack } from "../stack.ts";
import { ANTHROPIC, type AnthropicVersion, anthropicOf, OPENAI, type OpenAiVersion, openAiOf, thrown } from "../target.ts";

const MODEL = "gpt-5-mini";
const CLAUDE = "claude-haiku-4-5";
const chat = (content: string) => ({ model: MODEL, messages: [{ role: "user" as const, content }] });
const message = (content: string) => ({ model: CLAUDE, max_tokens: 32, messages: [{ role: "user" as const, content }] });
const WITHIN_MS = 400;
/** Longer than the client waits, and shorter than it waits in all. */
const SLOW_MS = 700;

/** The clients retry by themselves; what is paid for once is never paid for again. */
export const retriesSuite = (at: () => Stack): void => {
  describe("the clients' own retries", () => {
    const paid = async (work: () => Promise<unknown>): Promise<number> => {
      const before = await at().charges();
      await work();
      return (await at().charges()) - before;
    };
    const slowly = (path: string): void => at().faults({ match: { path }, delayMs: SLOW_MS * at().scale });
    const counts = (path: string): string[] =>
      at()
        .provider.heard.filter((one) => one.path === path)
        .map((one) => String(one.headers["x-stainless-retry-count"]));

    test.each(Object.keys(OPENAI) as OpenAiVersion[])("a reply that was lost after it was paid for is not asked for again, %s", async (version) => {
      at().faults({ match: { path: "/v1/chat/completions" }, drop: "after-commit" });
      const charged = await paid(async () => {
        const error = await thrown(openAiOf(at(), version, { maxRetries: 3 }).chat.completions.create(chat("lost")));
        expect(error).toBeInstanceOf(OPENAI[version].InternalServerError);
        expect(error).toMatchObject({ status: 502, code: "outcome_unknown" });
        expect((error["headers"] as Headers).get("x-should-retry")).toBe("false");
      });
      expect(charged).toBe(1);
    });

    test.each(Object.keys(OPENAI) as OpenAiVersion[])(
      "a client that gave up too soon gets, with its retry, the answer that it had asked for, %s",
      async (version) => {
        const client = openAiOf(at(), version, { maxRetries: 3, timeout: WITHIN_MS });
        for (const stream of [false, true]) {
          slowly("/v1/chat/completions");
          const charged = await paid(async () => {
            const request = chat(`slowly, ${version}, ${stream}`);
            const answer = stream
              ? await client.chat.completions.stream(request).finalChatCompletion()
              : await client.chat.completions.create(request);
            expect(answer.choices[0]?.finish_reason).toBe("stop");
          });
          expect(charged).toBe(1);
        }
      },
    );

    test.each(Object.keys(ANTHROPIC) as AnthropicVersion[])("so does one of the other API, %s", async (version) => {
      const client = anthropicOf(at(), version, { maxRetries: 3, timeout: WITHIN_MS });
      for (const stream of [false, true]) {
        slowly("/v1/messages");
        const charged = await paid(async () => {
          const request = message(`slowly, ${version}, ${stream}`);
          const answer = stream ? await client.messages.stream(request).finalMessage() : await client.messages.create(request);
          expect(answer.stop_reason).toBe("end_turn");
        });
        expect(charged).toBe(1);
      }
    });

    test("the same request of somebody who did not give up is work of its own, and so is that of another tenant", async () => {
      const client = openAiOf(at(), "openai 7");
      expect(await paid(() => Promise.all([1, 2].map(() => client.chat.completions.create(chat("twice")))))).toBe(2);
      slowly("/v1/chat/completions");
      const given = openAiOf(at(), "openai 7", { timeout: WITHIN_MS });
      const stranger = openAiOf({ ...at(), key: await at().newKey() }, "openai 7");
      const charged = await paid(async () => {
        await thrown(given.chat.completions.create(chat("left")));
        const retry = { headers: { "x-stainless-retry-count": "1" } };
        await stranger.chat.completions.create(chat("left"), retry);
        await client.chat.completions.create(chat("left!"), retry);
        await client.chat.completions.create(chat("left"));
        const taken = await client.chat.completions.create(chat("left"), retry);
        expect(taken.choices[0]?.finish_reason).toBe("stop");
      });
      expect(charged).toBe(4);
    });

    test("we never pass a client's count of retries on, and never retry without saying so in our own", () => {
      expect(new Set([...counts("/v1/chat/completions"), ...counts("/v1/messages")]).size).toBe(1);
    });

    test("a conflict is 409 and is not retried", async () => {
      const client = openAiOf(at(), "openai 7", { maxRetries: 3 });
      const create = (window: string): Promise<unknown> =>
        client.batches.create(
          { input_file_id: "file-none", endpoint: "/v1/chat/completions", completion_window: window as "24h" },
          { headers: { "Idempotency-Key": "once" } },
        );
      await create("24h");
      const before = at().witness.checked();
      const error = await thrown(create("12h"));
      expect(error).toBeInstanceOf(OPENAI["openai 7"].ConflictError);
      await at().witness.complaints();
      expect(at().witness.checked() - before).toBe(1);
      const body = { requests: [{ custom_id: "a", params: message("x") }] };
      const messages = anthropicOf(at(), "anthropic 1", { maxRetries: 3 }).messages.batches;
      await messages.create(body, { headers: { "Idempotency-Key": "once" } });
      const conflict = await thrown(
        messages.create({ requests: [...body.requests, { custom_id: "b", params: message("x") }] }, { headers: { "Idempotency-Key": "once" } }),
      );
      expect(conflict).toBeInstanceOf(ANTHROPIC["anthropic 1"].ConflictError);
      expect(conflict).toMatchObject({ type: "conflict_error" });
    });
  });
};
