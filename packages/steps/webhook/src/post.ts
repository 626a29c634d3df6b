import { LIMITS } from "@slowboat/kernel";
import { openWebhookSecret } from "@slowboat/runtime";
import type { DueEvent } from "@slowboat/store";
import { Webhook } from "standardwebhooks";
import { type Dispatcher, request } from "undici";
import { retryAfterMs } from "./schedule.ts";

/** What a receiver said: a status, or why there is none. `error` is `null` for a 2xx only. */
export interface Posted {
  readonly statusCode: number | null;
  /** How long it asks us to wait, in ms; `null` when it does not. */
  readonly retryAfterMs: number | null;
  readonly error: string | null;
}

const REPLY_BYTES = 65_536;

/** Signs an event and posts it once, within `LIMITS.webhookTimeoutMs` from the first look-up to the last byte that is read. Never throws. */
export async function post(of: {
  readonly secret: string;
  readonly agent: Dispatcher;
  readonly event: DueEvent;
  readonly atRealMs: number;
}): Promise<Posted> {
  const { event, atRealMs } = of;
  const signal = AbortSignal.timeout(LIMITS.webhookTimeoutMs);
  try {
    const at = new Date(atRealMs);
    const signature = new Webhook(openWebhookSecret(event.secretSealed, of.secret, event.keyId)).sign(event.id, at, event.payload);
    const reply = await request(event.url, {
      method: "POST",
      dispatcher: of.agent,
      signal,
      headers: {
        "content-type": "application/json",
        "user-agent": "Slowboat-Webhooks/1",
        "webhook-id": event.id,
        "webhook-timestamp": String(Math.floor(atRealMs / 1000)),
        "webhook-signature": signature,
      },
      body: event.payload,
    });
    const { statusCode, headers } = reply;
    // The status has been said: what comes of the body changes nothing.
    await reply.body.dump({ limit: REPLY_BYTES, signal }).catch(() => undefined);
    const asked = headers["retry-after"];
    const failed = statusCode < 200 || statusCode > 299;
    return {
      statusCode,
      retryAfterMs: retryAfterMs(Array.isArray(asked) ? asked[0] : asked, atRealMs),
      error: failed ? `status ${statusCode}` : null,
    };
  } catch (error) {
    return { statusCode: null, retryAfterMs: null, error: error instanceof Error ? error.message.slice(0, 300) : "unknown error" };
  }
}
