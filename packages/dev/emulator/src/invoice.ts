import type { MessageBatches } from "./anthropic-batches.ts";
import { EMULATED } from "./http/face.ts";
import type { Charge } from "./model/types.ts";
import type { OpenAiBatches } from "./openai-batches.ts";
import type { ProviderCore } from "./provider.ts";

/** The provider's bill: one line per charged request, and their exact sum in nano-dollars as decimal text. */
export interface Invoice {
  readonly notice: string;
  readonly currency: "nano-USD";
  readonly totalNanoUsd: string;
  readonly lines: readonly Charge[];
}

/** The bill as of now: batches that have ended but that nobody has looked at are brought up to date first. */
export async function settledInvoice(from: { core: ProviderCore; openAiBatches: OpenAiBatches; messageBatches: MessageBatches }): Promise<Invoice> {
  await from.openAiBatches.settleAll();
  await from.messageBatches.settleAll();
  const lines = [...from.core.world.charges];
  const total = lines.reduce((sum, line) => sum + BigInt(line.nanoUsd), 0n);
  return { notice: EMULATED, currency: "nano-USD", totalNanoUsd: total.toString(), lines };
}
