import { fault } from "@slowboat/kernel";
import { hintDispatch } from "@slowboat/store";
import { bodyBudget } from "../http/body-budget.ts";
import { bodyRules } from "../http/body-rules.ts";
import type { Mount } from "../http/env.ts";
import { wholeBody } from "../interactive/read-body.ts";
import { checkSignature, secretKey } from "./signature.ts";

/** An event names a batch and says no more. */
const BODY_BYTES = 64 * 1024;
/** Nobody has shown a key yet: what such bodies may take of the memory is little, and not the callers'. */
const BODIES_BYTES = 4 * 1024 * 1024;
const IDLE_MS = 5_000;
/** As providers write the ids of batches; nothing else can be one of ours. */
const REF = /^[\w-]{1,200}$/;
const ENDINGS: readonly unknown[] = ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"];

/**
 * `POST /webhooks/openai`: what OpenAI says of our batches. An event is a hint and nothing else: it makes the next poll of its batch due now, and what
 * became of the batch is read from the provider. So late, double and reordered events change nothing, and every rightly signed one is
 * answered alike, whether its batch is known or not.
 */
export function openaiWebhooks(secret: string): Mount {
  const key = secretKey(secret);
  return (app, deps) => {
    app.use("/webhooks/*", bodyRules(bodyBudget(BODIES_BYTES)));
    app.post("/webhooks/openai", async (c) => {
      const { incoming } = c.env;
      const announced = Number(incoming.headers["content-length"] ?? 0);
      if (announced > BODY_BYTES) throw fault("body-too-large", { message: `The request body may have at most ${BODY_BYTES} bytes.` });
      c.get("body").set(announced);
      const body = await wholeBody(incoming, { maxBytes: BODY_BYTES, announced, share: c.get("body"), idleMs: IDLE_MS });
      const id = c.req.header("webhook-id");
      checkSignature(
        key,
        { id, timestamp: c.req.header("webhook-timestamp"), signature: c.req.header("webhook-signature") },
        body,
        deps.clock.real(),
      );
      const { type, ref } = eventOf(body);
      if (ref !== null && ENDINGS.includes(type)) {
        const dispatchId = await hintDispatch(deps.store.sql, { lane: "openai-batch", providerRef: ref, nowMs: deps.clock.job() });
        if (dispatchId !== null) await deps.queue.ring("lane-batch", [{ dispatchId }], { once: true });
        deps.logger.info({ webhookId: id, type, dispatchId }, "hint-received");
      }
      return c.json({ received: true });
    });
  };
}

/** The event's type and the batch it names; `null` for none. Throws a 400 for what is no JSON object. */
function eventOf(body: Uint8Array): { readonly type: unknown; readonly ref: string | null } {
  let event: unknown;
  try {
    event = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw fault("invalid-json", { cause });
  }
  if (typeof event !== "object" || event === null || Array.isArray(event))
    throw fault("invalid-request", { message: "The request body must be a JSON object." });
  const { type, data } = event as { readonly type?: unknown; readonly data?: { readonly id?: unknown } | null };
  const id = data?.id;
  return { type, ref: typeof id === "string" && REF.test(id) ? id : null };
}
