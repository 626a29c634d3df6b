import { createHash } from "node:crypto";

/** `provider|base URL|12 hex digits of the key's SHA-256`: the account that limits, batches and orphans belong to. */
export function accountOf(provider: "openai" | "anthropic" | "pool", baseURL: string, apiKey: string): string {
  const hash = createHash("sha256").update(apiKey).digest("hex").slice(0, 12);
  return `${provider}|${baseURL.replace(/\/+$/, "")}|${hash}`;
}
