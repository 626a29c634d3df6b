/** A line of the provider's bill, as far as it is compared. */
export interface Charge {
  readonly customId: string | null;
  readonly clientRequestId: string | null;
  readonly batchId: string | null;
  readonly nanoUsd: string;
}

/** What a provider charges, in nano-USD. */
export interface ProviderBill {
  readonly totalNanoUsd: string;
  readonly lines: readonly Charge[];
}

/** Asks a provider of the soak for its bill. */
export async function fetchBill(providerUrl: string): Promise<ProviderBill> {
  const answer = await fetch(`${providerUrl}/emulator/invoice`, { signal: AbortSignal.timeout(120_000) });
  return (await answer.json()) as ProviderBill;
}
