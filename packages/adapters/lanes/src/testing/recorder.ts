import { request as forward } from "node:http";
import { scriptedServer } from "./scripted-server.ts";

/** A proxy before another server that keeps what clients sent, byte for byte; broken connections break on both sides. */
export interface Recorder {
  readonly url: string;
  /** Bodies of the POST requests, in order. */
  bodies(): string[];
  close(): Promise<void>;
}

export async function recorder(target: string): Promise<Recorder> {
  const server = await scriptedServer((heard, res, req) => {
    const up = forward(`${target}${heard.path}`, { method: heard.method, headers: { ...heard.headers, host: new URL(target).host } }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("error", () => req.socket.destroy());
      answer.pipe(res);
    });
    up.on("error", () => req.socket.destroy());
    res.on("close", () => up.destroy());
    up.end(heard.body);
  });
  return { url: server.url, bodies: () => server.heard.filter((one) => one.method === "POST").map((one) => one.body), close: server.close };
}
