import { createHmac } from "node:crypto";
import { diceOf } from "./model/dice.ts";
import type { WebhookQuirks } from "./model/faults.ts";
import { endOf, statusOf, validatedAtMs } from "./model/openai-batch.ts";
import type { WebhookEndpoint } from "./model/webhook-endpoint.ts";
import type { OpenAiBatches } from "./openai-batches.ts";
import type { ProviderCore } from "./provider.ts";

const LOOK_MS = 50;
/** A receiver has this long to answer, in machine ms. */
const PATIENCE_MS = 3_000;
const FIRST_PAUSE_MS = 5_000;
const PAUSE_MS_MAX = 3_600_000;
/** Job ms after which nobody is told any more. */
const GIVE_UP_MS = 72 * 3_600_000;
const AGENT = "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)";
const ENDED = ["completed", "failed", "expired", "cancelled"];

/** Tells registered endpoints of ended batches, as OpenAI does: signed, at least once, in no promised order. */
export interface Announcer {
  /** Sends one event now and gives back the receiver's status, or `null` when it did not answer. */
  send(endpoint: WebhookEndpoint, event: WebhookEvent, quirks?: WebhookQuirks): Promise<number | null>;
  stop(): void;
}

export interface WebhookEvent {
  readonly id: string;
  readonly type: string;
  readonly createdMs: number;
  readonly subjectId: string;
}

interface Waiting {
  readonly endpointId: string;
  readonly event: WebhookEvent;
  readonly quirks: WebhookQuirks;
  tries: number;
  nextMs: number;
}

/** Starts looking. What ended before this process began was announced by the one before, or never will be. */
export function createAnnouncer(core: ProviderCore, batches: OpenAiBatches): Announcer {
  const bornMs = core.nowMs();
  const told = new Set<string>();
  const stopping = new AbortController();
  let waiting: Waiting[] = [];
  let looking = false;

  const enqueue = (batchId: string, status: string, atMs: number): void => {
    const event: WebhookEvent = { id: `evt_${core.serial("event", 24)}`, type: `batch.${status}`, createdMs: atMs, subjectId: batchId };
    for (const endpoint of core.world.webhookEndpoints.values()) {
      if (!endpoint.eventTypes.includes(event.type) || endpoint.createdMs > atMs) continue;
      const effect = core.faults.take({
        provider: "openai",
        method: "POST",
        path: "webhook",
        model: event.type,
        customId: null,
        serviceTier: null,
        stream: false,
      });
      const quirks = effect?.webhook ?? {};
      for (let copy = 0; copy < (quirks.copies ?? 1); copy++)
        waiting.push({ endpointId: endpoint.id, event, quirks, tries: 0, nextMs: core.nowMs() + (quirks.lateMs ?? 0) });
    }
  };

  const deliver = async (one: Waiting): Promise<void> => {
    const endpoint = core.world.webhookEndpoints.get(one.endpointId);
    if (endpoint === undefined) return;
    one.tries++;
    // Only the first try is odd: what was signed wrongly is told again rightly.
    const status = await send(endpoint, one.event, one.tries === 1 ? one.quirks : {});
    if ((status !== null && status >= 200 && status < 300) || stopping.signal.aborted) return;
    const nowMs = core.nowMs();
    if (nowMs > one.event.createdMs + GIVE_UP_MS) return;
    const jitter = 0.75 + 0.5 * diceOf(core.behaviour.seed, "webhook", one.event.id, one.tries).float();
    one.nextMs = nowMs + Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** (one.tries - 1)) * jitter;
    waiting.push(one);
  };

  const look = async (): Promise<void> => {
    if (core.world.webhookEndpoints.size === 0) return;
    for (const [id, known] of [...core.world.batches]) {
      if (told.has(id) || core.nowMs() < Math.min(validatedAtMs(known), endOf(known).atMs)) continue;
      const batch = await batches.peek(id);
      const status = statusOf(batch, core.nowMs());
      if (!ENDED.includes(status)) continue;
      told.add(id);
      const { atMs } = endOf(batch);
      if (atMs >= bornMs) enqueue(id, status, atMs);
    }
    const nowMs = core.nowMs();
    const due = waiting.filter((one) => one.nextMs <= nowMs);
    waiting = waiting.filter((one) => one.nextMs > nowMs);
    for (const one of due) void deliver(one);
  };

  const send = async (endpoint: WebhookEndpoint, event: WebhookEvent, quirks: WebhookQuirks = {}): Promise<number | null> => {
    const body = JSON.stringify({
      object: "event",
      id: event.id,
      type: event.type,
      created_at: Math.floor(event.createdMs / 1000),
      data: { id: event.subjectId },
    });
    // Receivers judge the age by their own machine's clock, whatever the pace of job time.
    const timestamp = String(Math.floor((Date.now() - (quirks.oldByMs ?? 0)) / 1000));
    const id = `wh_${event.id.slice(4)}`;
    const headers = {
      "content-type": "application/json",
      "user-agent": AGENT,
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": secretsOf(endpoint, quirks, core.nowMs())
        .map((secret) => sign(secret, `${id}.${timestamp}.${body}`))
        .join(" "),
    };
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      const answer = await fetch(endpoint.url, { method: "POST", headers, body, redirect: "manual", signal });
      await answer.body?.cancel();
      return answer.status;
    } catch {
      return null;
    }
  };

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look()
      .catch((error: unknown) => process.stderr.write(`emulator: webhooks: ${error instanceof Error ? error.stack : String(error)}\n`))
      .finally(() => {
        looking = false;
      });
  }, LOOK_MS);
  timer.unref();
  return {
    send,
    stop: () => {
      clearInterval(timer);
      stopping.abort();
    },
  };
}

/** Nobody's secret. */
const WRONG = `whsec_${Buffer.from("a secret that nobody has").toString("base64")}`;

function secretsOf(endpoint: WebhookEndpoint, quirks: WebhookQuirks, nowMs: number): string[] {
  if (quirks.signature === "wrong") return [WRONG];
  const old = endpoint.oldSecret !== null && nowMs < endpoint.oldSecret.untilMs ? [endpoint.oldSecret.secret] : [];
  return [...(quirks.signature === "rotated" ? [WRONG] : []), endpoint.secret, ...old];
}

const sign = (secret: string, text: string): string =>
  `v1,${createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64"))
    .update(text)
    .digest("base64")}`;
