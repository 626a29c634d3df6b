import type { Json } from "./json.ts";

/** Where a project wants to be told of what. */
export interface WebhookEndpoint {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly eventTypes: readonly string[];
  readonly createdMs: number;
  /** `whsec_` and base64. */
  readonly secret: string;
  /** The one before, while it still signs along. */
  readonly oldSecret: { readonly secret: string; readonly untilMs: number } | null;
}

/** What an endpoint may ask for. */
export const EVENT_TYPES: readonly string[] = [
  "batch.completed",
  "batch.failed",
  "batch.expired",
  "batch.cancelled",
  "response.completed",
  "response.failed",
  "response.cancelled",
  "response.incomplete",
];

/** The endpoint on the wire; its secret is shown when it is made or rotated only. */
export const endpointView = (endpoint: WebhookEndpoint, withSecret = false): Json => ({
  id: endpoint.id,
  object: "webhook_endpoint",
  created_at: Math.floor(endpoint.createdMs / 1000),
  name: endpoint.name,
  url: endpoint.url,
  event_types: [...endpoint.eventTypes],
  signing_secret_hint: `${endpoint.secret.slice(0, 10)}...`,
  ...(withSecret ? { signing_secret: endpoint.secret } : {}),
});
