import { readFileSync } from "node:fs";
import { type CompatibleProvider, loadPriceBook, type PriceBook, readProviders, STANDARD_PRICES, withProviders } from "@slowboat/pricing";

/** A configured provider that can be reached: its key is set. */
export interface CompatibleAccount {
  readonly provider: string;
  readonly apiKey: string;
  readonly baseURL: string;
  readonly auth: "bearer" | "api-key";
  readonly headers: Readonly<Record<string, string>>;
  readonly batch: boolean;
}

/** The prices of this installation, and the OpenAI-compatible providers that it may use. */
export interface Market {
  readonly book: PriceBook;
  readonly compatible: readonly CompatibleAccount[];
  /** Who has a batch lane here where their key is set: the two built-in providers, and those of the file that say so. */
  readonly batchProviders: readonly string[];
  /** Variables of the environment that hold the providers' keys. */
  readonly keyNames: readonly string[];
}

/**
 * Reads the price book and the operator's file of providers, if one is named. A provider whose key is not set is priced and has no lane.
 * Throws a plain error that names the file and the field.
 */
export function openMarket(path: string | undefined, env: Readonly<Record<string, string | undefined>>): Market {
  const providers = path === undefined ? [] : read(path);
  const compatible = providers.flatMap(({ name, base_url, api_key_env, auth, headers, batch }) => {
    const apiKey = env[api_key_env];
    return apiKey === undefined || apiKey === "" ? [] : [{ provider: name, apiKey, baseURL: base_url, auth, headers, batch }];
  });
  return {
    book: loadPriceBook(withProviders(STANDARD_PRICES, providers)),
    compatible,
    batchProviders: ["openai", "anthropic", ...providers.flatMap(({ name, batch }) => (batch ? [name] : []))],
    keyNames: providers.map((one) => one.api_key_env),
  };
}

function read(path: string): readonly CompatibleProvider[] {
  try {
    return readProviders(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    throw new Error(`SLOWBOAT_PROVIDERS (${path}): ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
