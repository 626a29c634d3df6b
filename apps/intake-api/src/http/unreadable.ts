import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { RequestError } from "@hono/node-server";
import { fault } from "@slowboat/kernel";
import type { Logger } from "@slowboat/runtime";
import { openaiError } from "./errors.ts";

/** What a request is told that is no request: its target or its Host header cannot be read, so that no route and no API is known. */
export const unreadableReply =
  (logger: Logger) =>
  (thrown: unknown): Response => {
    const bad = thrown instanceof RequestError;
    if (!bad) logger.error({ err: thrown }, "request-failed");
    const err = bad ? fault("invalid-request", { message: `The request cannot be read: ${thrown.message}.` }) : fault("internal");
    return Response.json(openaiError(err), { status: err.status });
  };

const STATUS: Readonly<Record<string, readonly [number, string]>> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout"],
};

/** Answers bytes that are no HTTP, or headers that are too many or too slow, in JSON like everything else, and closes. */
export function refuseUnreadable(server: Server): void {
  server.on("clientError", (err: NodeJS.ErrnoException, socket: Duplex) => {
    // A client that left has nobody to tell.
    if (err.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const [status, reason] = STATUS[err.code ?? ""] ?? [400, "Bad Request"];
    const body = JSON.stringify(openaiError(fault("invalid-request", { message: `The request cannot be read: ${reason}.` })));
    socket.end(
      `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}
