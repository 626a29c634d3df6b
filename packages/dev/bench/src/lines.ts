import { type Rng, seededRng } from "@slowboat/kernel";

/** A model with a real-time and a batch price. */
const MODEL = "gpt-4.1-mini";

const WORDS = "ship harbour night cargo letter river signal lantern ledger anchor engine tide captain crossing manifest bell rope chart".split(" ");
const PROSE_BYTES = 1024 * 1024;
const FLUSH_BYTES = 256 * 1024;

/** Prose to cut texts from: long enough that two cuts are hardly ever the same. */
function proseOf(rng: Rng, bytes: number): string {
  let text = "";
  while (text.length < bytes) text += `${WORDS[rng.u32() % WORDS.length] ?? "ship"} `;
  return text;
}

/** Makes chat completions of about `bytes` bytes, whose texts differ by seed and by call. */
export function chatBodies(rng: Rng, bytes: number): () => string {
  const body = (content: string): string => JSON.stringify({ model: MODEL, max_completion_tokens: 16, messages: [{ role: "user", content }] });
  const length = Math.max(1, bytes - body("").length);
  const prose = proseOf(rng, PROSE_BYTES + length);
  return () => {
    const at = rng.u32() % PROSE_BYTES;
    return body(prose.slice(at, at + length));
  };
}

/** A batch file of `lines` chat lines of `lineBytes` bytes each, newline included, in chunks of a quarter of a megabyte. */
export async function* batchFile(seed: number, lines: number, lineBytes: number): AsyncGenerator<Uint8Array> {
  const wrap = (no: number, body: string): string =>
    `{"custom_id":"line-${String(no).padStart(6, "0")}","method":"POST","url":"/v1/chat/completions","body":${body}}\n`;
  const next = chatBodies(seededRng(seed), lineBytes - wrap(1, "").length);
  let buffer = "";
  for (let no = 1; no <= lines; no++) {
    buffer += wrap(no, next());
    if (buffer.length < FLUSH_BYTES && no < lines) continue;
    yield Buffer.from(buffer, "latin1");
    buffer = "";
  }
}
