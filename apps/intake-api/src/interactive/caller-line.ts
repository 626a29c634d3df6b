import type { Context } from "hono";
import type { AppEnv } from "../http/env.ts";

/**
 * The caller's line: aborted once the connection closes before its answer was whole. The signal of the web request says the same, but asking for it
 * builds that request, body stream and all, which costs a call more than its decision.
 */
export function callerLine(c: Context<AppEnv>): AbortSignal {
  const { outgoing } = c.env;
  const line = new AbortController();
  const hungUp = (): void => line.abort(new Error("The client closed the connection."));
  if (outgoing.destroyed) hungUp();
  else outgoing.once("close", () => outgoing.writableFinished || hungUp());
  return line.signal;
}
