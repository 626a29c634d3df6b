import { fault, LIMITS } from "@slowboat/kernel";
import { z } from "zod";
import { ENDPOINTS } from "./endpoints.ts";
import { type Metadata, readMetadata } from "./metadata.ts";

const words = z.array(z.string().max(64)).max(16);

const request = z.strictObject({ endpoint: z.enum(ENDPOINTS).optional(), url: z.enum(ENDPOINTS).optional(), body: z.looseObject({}) });

const envelope = z.strictObject({
  endpoint: z.enum(ENDPOINTS).optional(),
  body: z.looseObject({}).optional(),
  request: request.optional(),
  deadline: z.string().max(100).nullish(),
  callback_url: z.string().max(LIMITS.callbackUrlChars).nullish(),
  metadata: z.unknown().optional(),
  max_cost_usd: z.union([z.number(), z.string().max(32)]).nullish(),
  allow: words.nullish(),
  deny: words.nullish(),
  cache: z
    .union([
      z.string().max(100),
      z.strictObject({
        mode: z.string().max(32),
        max_error: z.union([z.number(), z.string().max(32)]).nullish(),
        ttl: z.string().max(32).nullish(),
      }),
    ])
    .nullish(),
  admission: z.string().max(32).nullish(),
  fallbacks: z.array(z.string().max(200)).max(16).nullish(),
});

/** The envelope of `POST /v1/jobs`. The request itself stands in `body`, or in `request.body`, and is passed on as raw text. */
export type JobRequest = Omit<z.infer<typeof envelope>, "metadata"> & { readonly metadata: Metadata | null };

/** Fields of other APIs that mean one of ours by another name. */
const MEANT: Readonly<Record<string, string>> = { completion_window: "deadline" };

/**
 * Reads the envelope of a native job; what is wrong is a fault that names the field, and for a field that does not exist the
 * nearest one that does.
 */
export function readJobRequest(value: unknown): JobRequest {
  const parsed = envelope.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = (issue?.path ?? []).map(String);
    if (issue?.code === "unrecognized_keys") {
      const known = Object.keys(path[0] === "request" ? request.shape : envelope.shape);
      const word = issue.keys[0] ?? "";
      const param = [...path, word.slice(0, 64)].join(".");
      throw fault("invalid-request", {
        param,
        message: `Unknown field '${param}'. Did you mean '${[...path, MEANT[word] ?? nearestWord(word, known)].join(".")}'?`,
      });
    }
    const param = path.join(".");
    throw fault("invalid-request", { param, message: `'${param}' is not valid: ${issue?.message ?? "unreadable"}.` });
  }
  const { body, request: nested } = parsed.data;
  if ((body === undefined) === (nested === undefined)) {
    const both = body !== undefined;
    throw fault(both ? "invalid-request" : "missing-parameter", {
      param: "body",
      message: both ? "Give either 'body' or 'request', not both." : "Missing required parameter: 'body' (the request to run).",
    });
  }
  return { ...parsed.data, metadata: readMetadata(parsed.data.metadata) };
}

/** The known word closest to `word`, by shared letters first and length second; for the text of an error. */
export function nearestWord(word: string, known: readonly string[]): string {
  const wanted = word.slice(0, 64).toLowerCase();
  let best = known[0] ?? "";
  let bestScore = Number.POSITIVE_INFINITY;
  for (const one of known) {
    const score = distance(wanted, one.toLowerCase());
    if (score < bestScore) [best, bestScore] = [one, score];
  }
  return best;
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
