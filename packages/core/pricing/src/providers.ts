import { ENDPOINTS, PROVIDER_NAME } from "@slowboat/contract";
import { z } from "zod";
import { limitFields } from "./book.ts";

/** Dollars per million tokens as text or number; a million of 1e-12-dollar prices a token, so one dollar a million is a million pico. */
const perMillion = z.union([z.string(), z.number()]).transform((value, context) => {
  const match = /^(\d{1,6})(?:\.(\d{1,6}))?$/.exec(String(value));
  if (match) return Number(match[1]) * 1_000_000 + Number((match[2] ?? "").padEnd(6, "0"));
  context.addIssue({ code: "custom", message: "must be dollars per million tokens, at most six digits behind the point" });
  return z.NEVER;
});
const prices = z.strictObject({ input: perMillion, cached: perMillion.optional(), output: perMillion.optional() });

const provider = z.strictObject({
  name: z
    .string()
    .regex(PROVIDER_NAME, "2 to 21 of a-z and 0-9, a letter first")
    .refine((name) => !["openai", "anthropic", "pool", "cache"].includes(name), "is one of Slowboat's own lanes"),
  /** Ends in the version, as the official OpenAI client takes it. */
  base_url: z.url({ protocol: /^https?$/ }),
  /** The environment variable that holds the key; the key itself never stands in the file. */
  api_key_env: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/),
  /** Where the key goes: `Authorization: Bearer` or, at Azure, `api-key`. */
  auth: z.enum(["bearer", "api-key"]).default("bearer"),
  headers: z.record(z.string().regex(/^[a-z0-9-]{1,64}$/), z.string().max(512)).default({}),
  /** True where the provider has OpenAI's files and batches API. */
  batch: z.boolean().default(false),
  prices_checked_at: z.iso.date(),
  prices_source: z.string().min(1).max(200),
  models: z
    .array(
      z.strictObject({
        model: z.string().regex(/^[\x21-\x7e]{1,200}$/),
        endpoints: z.array(z.enum(ENDPOINTS)).min(1).default(["/v1/chat/completions"]),
        ...limitFields,
        usd_per_mtok: prices,
        batch_usd_per_mtok: prices.optional(),
      }),
    )
    .min(1),
});

const file = z.strictObject({ providers: z.array(provider).max(50) });

/** An OpenAI-compatible provider as the operator configured it. */
export type CompatibleProvider = z.output<typeof provider>;

/**
 * Reads the operator's list of OpenAI-compatible providers. Throws a plain error that names the field; a name used twice, or a batch price
 * without a batch API, is one too.
 */
export function readProviders(json: unknown): readonly CompatibleProvider[] {
  const parsed = file.safeParse(json);
  if (!parsed.success) throw new Error(`providers: ${z.prettifyError(parsed.error)}`);
  const seen = new Set<string>();
  for (const one of parsed.data.providers) {
    if (seen.has(one.name)) throw new Error(`providers: '${one.name}' is there twice`);
    seen.add(one.name);
    const stray = one.models.find((model) => model.batch_usd_per_mtok !== undefined && !one.batch);
    if (stray) throw new Error(`providers: ${one.name} ${stray.model} has a batch price, and ${one.name} has "batch": false`);
  }
  return parsed.data.providers;
}

interface RawBook {
  readonly models: readonly unknown[];
  readonly aliases: readonly unknown[];
  readonly rows: readonly unknown[];
}

/** The price book's JSON with these providers' models and prices in it, for `loadPriceBook`. */
export function withProviders(book: unknown, providers: readonly CompatibleProvider[]): unknown {
  const { models, aliases, rows } = book as RawBook;
  const row = (one: CompatibleProvider, model: string, tier: "standard" | "batch", cost: z.output<typeof prices>) => ({
    provider: one.name,
    model,
    tier,
    pico_per_token: {
      input: cost.input,
      ...(cost.cached === undefined ? {} : { cache_read: cost.cached }),
      ...(cost.output === undefined ? {} : { output: cost.output }),
    },
    source: one.prices_source,
    checked_at: one.prices_checked_at,
    evidence: "operator",
  });
  return {
    models: [
      ...models,
      ...providers.flatMap((one) => one.models.map(({ usd_per_mtok: _, batch_usd_per_mtok: __, ...model }) => ({ provider: one.name, ...model }))),
    ],
    aliases,
    rows: [
      ...rows,
      ...providers.flatMap((one) =>
        one.models.flatMap(({ model, usd_per_mtok, batch_usd_per_mtok }) => [
          row(one, model, "standard", usd_per_mtok),
          ...(batch_usd_per_mtok === undefined ? [] : [row(one, model, "batch", batch_usd_per_mtok)]),
        ]),
      ),
    ],
  };
}
