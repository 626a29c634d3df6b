import type { ServerResponse } from "node:http";
import type OpenAI from "openai";
import { toFile } from "openai";
import { describe, expect, test } from "vitest";
import type { Stack } from "../stack.ts";
import { openAiOf } from "../target.ts";

const MODEL = "gpt-5-mini";
/** What JSON may hold and a careless reader loses: digits beyond 2^53, NUL, half a surrogate pair, a number's own spelling, a repeated space. */
const HARD = String.raw`{"big":9007199254740993,"tiny":1e-400,"exact":1.10,"nul":"\u0000","half":"\ud83d","esc":"\/\u00fc ü"}`;

const reply = (res: ServerResponse, body: string): void => {
  res.writeHead(200, { "content-type": "application/json", "x-request-id": "req_provider", "request-id": "req_provider" });
  res.end(body);
};
const chat = (extra: string): string =>
  `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-5-mini-2025-08-07","vendor" : ${extra},"choices":[{"index":0,"message":{"role":"assistant","content":"\\u0000\\ud83d","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`;
const message = (extra: string): string =>
  `{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","vendor" : ${extra},"content":[{"type":"text","text":"\\u0000\\ud83d","citations":null}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":2}}`;

/** What goes through us as it came, whatever it holds. */
export const bytesSuite = (at: () => Stack): void => {
  describe("bytes", () => {
    const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${at().url}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${at().key}`, "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers },
        body,
      });
    const heardBody = (path: string): string =>
      at()
        .provider.heard.findLast((one) => one.path === path)
        ?.body.toString() ?? "";

    test.each([
      [
        "/v1/chat/completions",
        `{"model":"${MODEL}", "messages":[{"role":"user","content":"\\u0000\\ud83d ü"}],"unknown_field" : ${HARD} }`,
        chat(HARD),
      ],
      [
        "/v1/messages",
        `{ "model":"claude-haiku-4-5","max_tokens" : 9,"messages":[{"role":"user","content":"\\u0000\\ud83d ü"}],"unknown_field" : ${HARD} }`,
        message(HARD),
      ],
    ])("%s: request and answer pass byte for byte, unknown members, big integers, NUL and half surrogates included", async (path, body, answer) => {
      at().provider.answerNext(new RegExp(`^POST ${path}$`), (_heard, res) => reply(res, answer));
      const response = await post(path, body);
      expect(response.status).toBe(200);
      expect(heardBody(path)).toBe(body);
      expect(await response.text()).toBe(answer);
      expect(response.headers.get("slowboat-provider-request-id")).toBe("req_provider");
    });

    test("a stream's events pass byte for byte", async () => {
      const piece = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","vendor" : ${HARD},"choices":[{"index":0,"delta":{"content":"\\u0000\\ud83d"},"finish_reason":null}]}`;
      const last = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`;
      const events = `data: ${piece}\n\ndata: ${last}\n\ndata: [DONE]\n\n`;
      at().provider.answerNext(/^POST \/v1\/chat\/completions$/, (_heard, res) => {
        res.writeHead(200, { "content-type": "text/event-stream" });
        res.end(events);
      });
      const response = await post(
        "/v1/chat/completions",
        `{"model":"${MODEL}","stream":true,"messages":[{"role":"user","content":"x"}],"odd":${HARD}}`,
      );
      expect(await response.text()).toBe(events);
      expect(heardBody("/v1/chat/completions")).toContain(`"odd":${HARD}`);
    });

    test("a batch's bodies and answers pass byte for byte, through files on both sides", async () => {
      const client = openAiOf(at(), "openai 7");
      const body = `{"model":"${MODEL}", "messages":[{"role":"user","content":"\\u0000\\ud83d ü"}],"unknown_field" : ${HARD}}`;
      const answer = chat(HARD);
      at().provider.answerNext(/^GET \/v1\/files\/[^/]+\/content$/, (_heard, res) => {
        const uploads = at().provider.heard.filter((one) => one.method === "POST" && one.path === "/v1/files");
        const id = /"custom_id":"([^"]+)"/.exec(uploads.at(-1)?.body.toString() ?? "")?.[1];
        reply(res, `{"id":"batch_req_1","custom_id":"${id}","response":{"status_code":200,"request_id":"r","body":${answer}},"error":null}\n`);
      });
      const line = `{"custom_id":"hard","method":"POST","url":"/v1/chat/completions","body":${body}}`;
      const file = await client.files.create({ file: await toFile(Buffer.from(line), "hard.jsonl"), purpose: "batch" });
      const made = await client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
      let batch: OpenAI.Batch = made;
      await at().passUntil(async () => {
        batch = await client.batches.retrieve(made.id);
        return batch.status === "completed";
      }, "the batch ends");
      const upload = at()
        .provider.heard.findLast((one) => one.method === "POST" && one.path === "/v1/files")
        ?.body.toString();
      expect(upload).toContain(`"body":${body}`);
      // Read past the witness: the answer is one that no provider gives.
      const output = await fetch(`${at().url}/v1/files/${batch.output_file_id}/content`, { headers: { authorization: `Bearer ${at().key}` } });
      expect(await output.text()).toContain(`"body":${answer}`);
    });
  });
};
