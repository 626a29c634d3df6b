import { createHash } from "node:crypto";

/** What of an account's settings tells one from another. */
interface AccountSettings {
  readonly apiKey: string;
  readonly baseURL: string;
  /** The emulator keeps its batches over restarts, and every start may give it another port. */
  readonly emulated: boolean;
}

/** `provider|base URL|12 hex digits of the key's SHA-256`: the account that limits, batches and orphans belong to. */
export function accountOf(provider: string, settings: AccountSettings): string {
  const hash = createHash("sha256").update(settings.apiKey).digest("hex").slice(0, 12);
  return `${provider}|${settings.emulated ? "emulator" : settings.baseURL.replace(/\/+$/, "")}|${hash}`;
}
