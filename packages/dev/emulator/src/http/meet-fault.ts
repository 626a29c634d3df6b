import type { MiddlewareHandler } from "hono";
import type { FaultEffect, FaultProbe } from "../model/faults.ts";
import { faultReply } from "../model/presets.ts";
import { type Ctx, destroySocket, type Env, type Face } from "./face.ts";

/** The fault that meets a request, carried out as far as it precludes an answer. */
export async function meetFault(
  face: Face,
  c: Ctx,
  probe: Omit<FaultProbe, "provider" | "method" | "customId">,
): Promise<{ effect: FaultEffect | null; reply: Response | null }> {
  const provider = c.get("provider");
  const effect = face.core.faults.take({ provider, method: c.req.method, customId: null, ...probe });
  if (effect === null) return { effect, reply: null };
  if (effect.delayMs !== undefined) await face.sleep(effect.delayMs);
  if (effect.outageMs !== undefined) {
    face.outage(effect.outageMs);
    return { effect, reply: new Response(null) };
  }
  if (effect.hang === true) {
    await new Promise<void>((resolve) => c.env.outgoing.once("close", () => resolve()));
    return { effect, reply: new Response(null) };
  }
  if (effect.drop === "before" || effect.drop === "reset") return { effect, reply: destroySocket(c, effect.drop === "reset") };
  const reply = faultReply(provider, effect);
  if (reply === null) return { effect, reply: null };
  const type = typeof reply.body === "string" ? "text/plain; charset=utf-8" : "application/json";
  const body =
    typeof reply.body === "string"
      ? reply.body
      : JSON.stringify(provider === "anthropic" ? { ...reply.body, request_id: c.get("requestId") } : reply.body);
  return { effect, reply: new Response(body, { status: reply.status, headers: { "content-type": type, ...reply.headers } }) };
}

/** Lets faults meet the requests of files and batches; what is left for the route to do stands in `effect`. */
export const faulty =
  (face: Face): MiddlewareHandler<Env> =>
  async (c, next) => {
    const { reply, effect } = await meetFault(face, c, { path: c.req.path, model: null, serviceTier: null, stream: false });
    if (reply !== null) return reply;
    if (effect !== null) c.set("effect", effect);
    await next();
    if (effect?.drop === "after-commit") c.res = destroySocket(c);
    return undefined;
  };

/** Keeps what a request has just made from reads for as long as its fault says. */
export function hideNew(face: Face, c: Ctx, id: string): void {
  const ms = c.get("effect")?.unseenMs;
  if (ms !== undefined) face.core.hide(id, face.core.nowMs() + ms);
}

/** The instant that a read shows. */
export const readAtMs = (face: Face, c: Ctx): number => face.core.nowMs() - (c.get("effect")?.staleMs ?? 0);
