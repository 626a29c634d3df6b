/**
 * What stands for a provider that answers at once: every request gets the same chat completion, of the number of bytes that the first
 * argument names. A process of its own with as little HTTP as a keep-alive client needs, so that on a small machine it takes little from
 * what is measured.
 *
 * Messages: `{witness: true}` holds every answer back until the parent sends `{release: NAME}` for the client request id that it is told as
 * `{kind: "held", name}`; `{witness: false}` answers at once again; anything else is answered with what was served so far.
 */
import { type AddressInfo, createServer } from "node:net";
import { completion } from "./completion.ts";

const SENTENCE = "The cargo crossed by night. ";
const wanted = Number(process.argv[2] ?? 0);
const plain = completion(SENTENCE.trim());
const room = Math.max(0, wanted - completion("").length);
const answer = room <= SENTENCE.length ? plain : completion(SENTENCE.repeat(Math.ceil(room / SENTENCE.length)).slice(0, room));
const reply = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_instant\r\ncontent-length: ${Buffer.byteLength(answer)}\r\n\r\n${answer}`,
);
const END_OF_HEAD = "\r\n\r\n";

let served = 0;
let witness = false;
const held = new Map<string, () => void>();

const server = createServer((socket) => {
  let read: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true).on("error", () => socket.destroy());
  const give = (): void => {
    served++;
    socket.write(reply);
  };
  socket.on("data", (chunk) => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    for (;;) {
      const endOfHead = read.indexOf(END_OF_HEAD);
      if (endOfHead < 0) return;
      const head = read.toString("latin1", 0, endOfHead);
      const end = endOfHead + END_OF_HEAD.length + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (read.length < end) return;
      read = read.subarray(end);
      if (witness) hold(/\r\nx-client-request-id: *(\S+)/i.exec(head)?.[1] ?? "", give);
      else give();
    }
  });
});

function hold(name: string, give: () => void): void {
  held.set(name, give);
  process.send?.({ kind: "held", name });
}

server.listen(0, "127.0.0.1", () => process.send?.({ kind: "ready", port: (server.address() as AddressInfo).port }));
process.on("message", (message: { readonly witness?: boolean; readonly release?: string }) => {
  if (message.release !== undefined) {
    held.get(message.release)?.();
    held.delete(message.release);
    return;
  }
  if (message.witness !== undefined) witness = message.witness;
  process.send?.({ served });
});
for (const event of ["SIGTERM", "disconnect"] as const) process.once(event, () => process.exit(0));
