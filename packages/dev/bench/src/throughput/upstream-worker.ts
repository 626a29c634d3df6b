/**
 * What stands for a provider that answers at once: every request gets the same chat completion. A process of its own with as little HTTP
 * as a keep-alive client needs, so that on a small machine it takes little from what is measured.
 */
import { type AddressInfo, createServer } from "node:net";

const answer = JSON.stringify({
  id: "chatcmpl-instant",
  object: "chat.completion",
  created: 1_780_000_000,
  model: "gpt-4.1-mini-2025-04-14",
  choices: [
    { index: 0, message: { role: "assistant", content: "The cargo crossed by night.", refusal: null }, logprobs: null, finish_reason: "stop" },
  ],
  usage: {
    prompt_tokens: 220,
    completion_tokens: 7,
    total_tokens: 227,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  },
  service_tier: "default",
});
const reply = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_instant\r\ncontent-length: ${Buffer.byteLength(answer)}\r\n\r\n${answer}`,
);
const END_OF_HEAD = "\r\n\r\n";

let served = 0;
const server = createServer((socket) => {
  let held: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true).on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      const head = held.indexOf(END_OF_HEAD);
      if (head < 0) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(held.toString("latin1", 0, head))?.[1] ?? 0);
      const end = head + END_OF_HEAD.length + length;
      if (held.length < end) return;
      held = held.subarray(end);
      served++;
      socket.write(reply);
    }
  });
});

server.listen(0, "127.0.0.1", () => process.send?.({ kind: "ready", port: (server.address() as AddressInfo).port }));
process.on("message", () => process.send?.({ served }));
for (const event of ["SIGTERM", "disconnect"] as const) process.once(event, () => process.exit(0));
