import type { MessageBatch, MessageCounts } from "./anthropic-batch.ts";
import { type Checked, endOf, type OpenAiBatch, type Settled } from "./openai-batch.ts";
import { CALM, type Plan, type Regime } from "./turnaround.ts";
import type { Charge } from "./types.ts";
import type { WebhookEndpoint } from "./webhook-endpoint.ts";

/** A stored file. Its content lies beside the journal under its id. */
export interface StoredFile {
  readonly id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly createdMs: number;
  readonly expiresMs: number | null;
  /** When its owner deleted it. The content stays while a batch that has begun still reads it. */
  readonly deletedMs: number | null;
  /** Lines of content, for the size of a batch before it is read. */
  readonly lines: number;
}

/** Everything the provider remembers. Changed by `apply` only. */
export interface World {
  boots: number;
  regime: Regime;
  readonly files: Map<string, StoredFile>;
  readonly batches: Map<string, OpenAiBatch>;
  readonly messageBatches: Map<string, MessageBatch>;
  readonly webhookEndpoints: Map<string, WebhookEndpoint>;
  readonly charges: Charge[];
}

/** What can happen to the provider: the lines of the journal. */
export type WorldEvent =
  | { readonly kind: "booted"; readonly boots: number }
  | { readonly kind: "file-stored"; readonly file: StoredFile }
  | { readonly kind: "file-deleted"; readonly id: string; readonly atMs: number }
  | { readonly kind: "batch-created"; readonly batch: OpenAiBatch }
  | { readonly kind: "batch-checked"; readonly id: string; readonly checked: Checked }
  | { readonly kind: "batch-cancelled"; readonly id: string; readonly atMs: number }
  | {
      readonly kind: "batch-settled";
      readonly id: string;
      readonly settled: Settled;
      readonly files: readonly StoredFile[];
      readonly charges: readonly Charge[];
    }
  | { readonly kind: "messages-created"; readonly batch: MessageBatch }
  | { readonly kind: "messages-cancelled"; readonly id: string; readonly atMs: number }
  | { readonly kind: "messages-settled"; readonly id: string; readonly counts: MessageCounts; readonly charges: readonly Charge[] }
  | { readonly kind: "messages-deleted"; readonly id: string }
  | { readonly kind: "charged"; readonly charge: Charge }
  | { readonly kind: "webhook-endpoint-set"; readonly endpoint: WebhookEndpoint }
  | { readonly kind: "webhook-endpoint-deleted"; readonly id: string }
  | { readonly kind: "regime"; readonly regime: Regime; readonly atMs: number };

/** True when the file can be seen at an instant: neither expired nor deleted. */
export const isLive = (file: StoredFile, atMs: number): boolean =>
  (file.expiresMs === null || atMs < file.expiresMs) && (file.deletedMs === null || atMs < file.deletedMs);

/** True while a batch that has not ended may still read the file. */
export function isRead(world: World, fileId: string): boolean {
  for (const batch of world.batches.values()) {
    if (batch.inputFileId === fileId && batch.settled === null && (batch.checked === null || batch.checked.errors.length === 0)) return true;
  }
  return false;
}

export const createWorld = (): World => ({
  boots: 0,
  regime: CALM,
  files: new Map(),
  batches: new Map(),
  messageBatches: new Map(),
  webhookEndpoints: new Map(),
  charges: [],
});

/** The one transition: the same events in the same order make the same world. */
export function apply(world: World, event: WorldEvent): void {
  switch (event.kind) {
    case "booted":
      world.boots = event.boots;
      return;
    case "file-stored":
      world.files.set(event.file.id, event.file);
      return;
    case "file-deleted":
      change(world.files, event.id, { deletedMs: event.atMs });
      return;
    case "batch-created":
      world.batches.set(event.batch.id, event.batch);
      return;
    case "batch-checked":
      change(world.batches, event.id, { checked: event.checked });
      return;
    case "batch-cancelled":
      change(world.batches, event.id, { cancelMs: event.atMs });
      return;
    case "batch-settled":
      change(world.batches, event.id, { settled: event.settled });
      for (const file of event.files) world.files.set(file.id, file);
      for (const charge of event.charges) world.charges.push(charge);
      return;
    case "messages-created":
      world.messageBatches.set(event.batch.id, event.batch);
      return;
    case "messages-cancelled":
      change(world.messageBatches, event.id, { cancelMs: event.atMs });
      return;
    case "messages-settled":
      change(world.messageBatches, event.id, { settled: event.counts });
      for (const charge of event.charges) world.charges.push(charge);
      return;
    case "messages-deleted":
      world.messageBatches.delete(event.id);
      return;
    case "charged":
      world.charges.push(event.charge);
      return;
    case "webhook-endpoint-set":
      world.webhookEndpoints.set(event.endpoint.id, event.endpoint);
      return;
    case "webhook-endpoint-deleted":
      world.webhookEndpoints.delete(event.id);
      return;
    case "regime":
      changeRegime(world, event.regime, event.atMs);
      return;
  }
}

function change<T>(map: Map<string, T>, id: string, part: Partial<T>): void {
  const before = map.get(id);
  if (before !== undefined) map.set(id, { ...before, ...part });
}

/** A slower provider also slows the batches it already has: what is left of each is stretched by the ratio of the multipliers. */
function changeRegime(world: World, regime: Regime, atMs: number): void {
  const ratio = (regime.multiplier / world.regime.multiplier) * (regime.incident === world.regime.incident ? 1 : regime.incident ? 8 : 1 / 8);
  const stretch = (createdMs: number, plan: Plan): Plan => {
    if (plan.finishMs === null || createdMs + plan.finishMs - plan.finalizeMs <= atMs) return plan;
    const doneMs = Math.max(0, atMs - createdMs);
    return { ...plan, finishMs: Math.ceil(doneMs + (plan.finishMs - doneMs) * ratio) };
  };
  for (const [id, batch] of world.batches)
    if (batch.settled === null && endOf(batch).atMs > atMs) change(world.batches, id, { plan: stretch(batch.createdMs, batch.plan) });
  for (const [id, batch] of world.messageBatches)
    if (batch.settled === null) change(world.messageBatches, id, { plan: stretch(batch.createdMs, batch.plan) });
  world.regime = regime;
}
