import { Readable } from "node:stream";
import { Pool } from "undici";

/** A caller of the intake API. */
export interface Client {
  /** POSTs JSON text and gives back the parsed reply; throws for any status but 2xx. */
  post(path: string, body: string): Promise<Record<string, unknown>>;
  get(path: string): Promise<Record<string, unknown>>;
  /** Bytes of a reply's body, counted as they arrive and not kept. */
  drain(path: string): Promise<number>;
  /** Uploads a JSONL stream as a batch input and gives back the file's id. */
  upload(filename: string, content: AsyncIterable<Uint8Array>): Promise<string>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 120_000;

/** Opens a pool of `connections` sockets to the API. */
export function openClient(url: string, key: string, connections: number): Client {
  const pool = new Pool(url, { connections, pipelining: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  const authorization = `Bearer ${key}`;
  const read = async (path: string, reply: Awaited<ReturnType<Pool["request"]>>): Promise<Record<string, unknown>> => {
    const text = await reply.body.text();
    if (reply.statusCode < 200 || reply.statusCode > 299) throw new Error(`${path} answered ${reply.statusCode}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  return {
    post: async (path, body) =>
      read(path, await pool.request({ path, method: "POST", headers: { authorization, "content-type": "application/json" }, body })),
    get: async (path) => read(path, await pool.request({ path, method: "GET", headers: { authorization } })),
    drain: async (path) => {
      const reply = await pool.request({ path, method: "GET", headers: { authorization } });
      if (reply.statusCode !== 200) throw new Error(`${path} answered ${reply.statusCode}`);
      let bytes = 0;
      for await (const chunk of reply.body) bytes += (chunk as Uint8Array).byteLength;
      return bytes;
    },
    upload: async (filename, content) => {
      const boundary = `bench-${process.pid}-${filename.replace(/\W/g, "")}`;
      const headers = { authorization, "content-type": `multipart/form-data; boundary=${boundary}` };
      const file = await read(
        "/v1/files",
        await pool.request({ path: "/v1/files", method: "POST", headers, body: Readable.from(form(boundary, filename, content)) }),
      );
      return String(file["id"]);
    },
    close: () => pool.close(),
  };
}

/** A form of two parts, streamed, so that a file of any size passes through a few kilobytes of memory. */
async function* form(boundary: string, filename: string, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  yield encoder.encode(`--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n`);
  yield encoder.encode(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${filename}"\r\ncontent-type: application/jsonl\r\n\r\n`,
  );
  yield* content;
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}
