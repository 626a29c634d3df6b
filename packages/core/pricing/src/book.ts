import { ENDPOINTS, type Endpoint, PROVIDER_NAME, type Provider } from "@slowboat/contract";
import { hexOf, type PicoUsd, sha256 } from "@slowboat/kernel";
import { z } from "zod";

/** Which of a provider's price lists applies; real-time calls are `standard`. */
export const TIERS = ["standard", "batch", "flex", "priority"] as const;
export type Tier = (typeof TIERS)[number];

/** The token classes that have a price of their own. */
export const KINDS = ["input", "cache_read", "cache_write_5m", "cache_write_30m", "cache_write_1h", "cache_write_12h", "output"] as const;
export type Kind = (typeof KINDS)[number];

/** What a request may hold that not every model takes. */
export const ACCEPTS = ["text", "image", "audio", "pdf", "tools", "schema"] as const;
export type Accepted = (typeof ACCEPTS)[number];

const provider = z.string().regex(PROVIDER_NAME);
const endpoint = z.enum(ENDPOINTS);
const modelId = z.string().min(1).max(200);
const day = z.iso.date();
const ref = z.strictObject({ provider, model: modelId });

/** What a model holds and takes, as a book or a file of providers states it. */
export const limitFields = {
  /** Tokens of input and output together. */
  context: z.int().positive().optional(),
  /** Tokens of one answer. */
  max_output: z.int().positive().optional(),
  accepts: z
    .array(z.enum(ACCEPTS))
    .refine((list) => list.includes("text"), "must name text among what the model takes")
    .optional(),
};

const bookSchema = z.strictObject({
  models: z
    .array(
      z.strictObject({
        ...ref.shape,
        endpoints: z.array(endpoint).min(1),
        snapshots: z.array(modelId).optional(),
        ...limitFields,
        limits_source: z.string().min(1).optional(),
      }),
    )
    .min(1),
  aliases: z.array(z.strictObject({ alias: modelId, endpoints: z.array(endpoint).min(1), baseline: ref, candidates: z.array(ref).min(1) })),
  rows: z
    .array(
      z.strictObject({
        ...ref.shape,
        tier: z.enum(TIERS),
        above_prompt_tokens: z.int().positive().optional(),
        pico_per_token: z.partialRecord(z.enum(KINDS), z.int().nonnegative()),
        effective_from: day.optional(),
        effective_to: day.optional(),
        source: z.string().min(1),
        checked_at: day,
        evidence: z.enum(["documented", "package", "observed", "derived", "unverified", "operator"]),
        note: z.string().optional(),
      }),
    )
    .min(1),
});

/** One price list of one model: pico-USD per token by kind, from when to when, above which prompt length. */
export interface PriceRow {
  readonly provider: Provider;
  readonly model: string;
  readonly tier: Tier;
  /** The row prices the whole request when its prompt has more tokens than this; 0 for the ordinary row. */
  readonly aboveTokens: number;
  readonly pico: ReadonlyMap<Kind, PicoUsd>;
  readonly fromMs: number;
  readonly toMs: number;
  readonly source: string;
  readonly checkedAt: string;
  readonly evidence: string;
}

export interface ModelRef {
  readonly provider: Provider;
  readonly model: string;
}

/** What a model holds and takes, as far as is known. */
export interface ModelLimits {
  /** Tokens of input and output together. */
  readonly context?: number | undefined;
  /** Tokens of one answer. */
  readonly maxOutput?: number | undefined;
  readonly accepts?: readonly Accepted[] | undefined;
}

/** A name that a request may carry, and what it stands for. */
export interface ResolvedModel extends ModelRef {
  /** What the savings are measured against: the pinned model itself, or the alias's declared one. */
  readonly baselineModel: string;
  /** Who may answer, in the order of the book; exactly one for a pinned model. */
  readonly candidates: readonly ModelRef[];
  readonly endpoints: readonly Endpoint[];
  /** Absent where the book states nothing. */
  readonly limits?: ModelLimits;
}

/** Every price, immutable. `version` is a digest of `content`, so equal versions mean equal prices. */
export interface PriceBook {
  readonly version: string;
  /** The book as JSON text, to be stored beside the version. */
  readonly content: string;
  readonly rows: ReadonlyMap<string, readonly PriceRow[]>;
  readonly names: ReadonlyMap<string, ResolvedModel>;
  /** Dated ids that share the prices of the id they are dated from: an explicit list, never a prefix. */
  readonly priceIds: ReadonlyMap<string, string>;
}

export const rowKey = (provider: Provider, model: string, tier: Tier): string => `${provider} ${model} ${tier}`;

/**
 * Reads a price book; throws a plain error that names the row when it is malformed, two rows overlap, a batch price lies
 * above the standard one, or a name is used twice.
 */
export function loadPriceBook(json: unknown): PriceBook {
  const parsed = bookSchema.safeParse(json);
  if (!parsed.success) throw new Error(`price book: ${z.prettifyError(parsed.error)}`);
  const book = parsed.data;
  const content = JSON.stringify(book);
  const rows = new Map<string, PriceRow[]>();
  for (const raw of book.rows) {
    const pico = new Map<Kind, PicoUsd>();
    for (const kind of KINDS) {
      const value = raw.pico_per_token[kind];
      if (value !== undefined) pico.set(kind, BigInt(value) as PicoUsd);
    }
    if (!pico.has("input")) throw new Error(`price book: ${raw.model} ${raw.tier} has no input price`);
    const key = rowKey(raw.provider, raw.model, raw.tier);
    const list = rows.get(key) ?? [];
    list.push({
      provider: raw.provider,
      model: raw.model,
      tier: raw.tier,
      aboveTokens: raw.above_prompt_tokens ?? 0,
      pico,
      fromMs: raw.effective_from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(`${raw.effective_from}T00:00:00Z`),
      toMs: raw.effective_to === undefined ? Number.POSITIVE_INFINITY : Date.parse(`${raw.effective_to}T00:00:00Z`),
      source: raw.source,
      checkedAt: raw.checked_at,
      evidence: raw.evidence,
    });
    rows.set(key, list);
  }
  checkRows(rows);
  const { names, priceIds } = readNames(book);
  for (const [name, model] of names) {
    for (const candidate of model.candidates) {
      const id = priceIds.get(candidate.model) ?? candidate.model;
      if (!rows.has(rowKey(candidate.provider, id, "standard")))
        throw new Error(`price book: ${name} has no standard price (${candidate.provider} ${id})`);
    }
  }
  return { version: hexOf(sha256(content)).slice(0, 16), content, rows, names, priceIds };
}

function readNames(book: z.infer<typeof bookSchema>): { names: Map<string, ResolvedModel>; priceIds: Map<string, string> } {
  const names = new Map<string, ResolvedModel>();
  const priceIds = new Map<string, string>();
  const add = (name: string, model: ResolvedModel): void => {
    if (names.has(name)) throw new Error(`price book: the name ${name} is used twice`);
    names.set(name, model);
  };
  for (const { provider, model, endpoints, snapshots, context, max_output: maxOutput, accepts } of book.models) {
    const limits = { context, maxOutput, accepts };
    const stated = Object.values(limits).some((one) => one !== undefined) ? { limits } : {};
    for (const id of [model, ...(snapshots ?? [])]) {
      add(id, { provider, model: id, baselineModel: id, candidates: [{ provider, model: id }], endpoints, ...stated });
      if (id !== model) priceIds.set(id, model);
    }
  }
  for (const { alias, endpoints, baseline, candidates } of book.aliases) {
    if (!names.has(baseline.model)) throw new Error(`price book: the baseline of ${alias} is not in the book`);
    add(alias, { provider: candidates[0]?.provider ?? baseline.provider, model: alias, baselineModel: baseline.model, candidates, endpoints });
  }
  return { names, priceIds };
}

function checkRows(rows: ReadonlyMap<string, readonly PriceRow[]>): void {
  for (const [key, list] of rows) {
    for (const a of list) {
      for (const b of list) {
        if (a !== b && a.aboveTokens === b.aboveTokens && a.fromMs < b.toMs && b.fromMs < a.toMs)
          throw new Error(`price book: two rows of ${key} overlap`);
      }
      if (a.tier !== "batch" && a.tier !== "flex") continue;
      const standard = rows.get(rowKey(a.provider, a.model, "standard")) ?? [];
      for (const s of standard) {
        if (s.aboveTokens !== a.aboveTokens || a.fromMs >= s.toMs || s.fromMs >= a.toMs) continue;
        for (const kind of ["input", "output"] as const) {
          const cheap = a.pico.get(kind);
          const full = s.pico.get(kind);
          if (cheap !== undefined && full !== undefined && cheap > full) throw new Error(`price book: ${key} ${kind} is dearer than standard`);
        }
      }
    }
  }
}
