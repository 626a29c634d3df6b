import { parseDurationMs } from "@slowboat/kernel";
import { type ReuseMode, readReuseMode } from "../may.ts";

/** On what terms an answer may be given to a question that only means the same. */
export interface SemanticTerms {
  /** Share of all requests that may be answered wrongly by reuse, above 0 and at most `MAX_ERROR_MOST`. */
  readonly maxError: number;
  /** How long an answer may be given again, in ms of job time; `null` for as long as it is kept. */
  readonly ttlMs: number | null;
  /** True where the request itself asked, not its tenant for all: then a temperature above 0 is no hindrance. */
  readonly asked: boolean;
}

/** How far a caller lets answers be given again: the very same question by `mode`, one that means the same on `semantic` terms, or not where they are `null`. */
export interface ReuseWish {
  readonly mode: ReuseMode;
  readonly semantic: SemanticTerms | null;
}

/** What a tenant lets be reused by meaning. */
export interface SemanticSettings {
  readonly on: boolean;
  readonly maxError: number;
  readonly ttlMs: number | null;
  /** The model that is asked whether two questions mean the same where the verifier is not sure; `null` for none. */
  readonly judge: string | null;
}

/** The allowed error where nobody names one. */
const MAX_ERROR_USUAL = 0.01;
export const MAX_ERROR_MOST = 0.2;
const TTL_MOST_MS = 3_650 * 86_400_000;

const OFF: SemanticSettings = { on: false, maxError: MAX_ERROR_USUAL, ttlMs: null, judge: null };

/** The settings as a tenant's row keeps them; a row without any, or one that cannot be read, lets nothing be reused. */
export function storedSemantic(json: string | null): SemanticSettings {
  if (json === null) return OFF;
  try {
    return { ...OFF, ...(JSON.parse(json) as Partial<SemanticSettings>) };
  } catch {
    return OFF;
  }
}

/** A wish, or what is wrong with it in words that a caller can act on. */
export type ReadWish = ReuseWish | { readonly wrong: string };

const KNOWN = "auto, exact (or always), semantic, off (or never)";

/** An allowed error in its bounds; `null` for any other text. */
export function readMaxError(value: unknown): number | null {
  const number =
    typeof value === "number" ? value : typeof value === "string" && /^(?:0?\.\d{1,6}|0)$/.test(value.trim()) ? Number(value) : Number.NaN;
  return number > 0 && number <= MAX_ERROR_MOST ? number : null;
}

/** A length such as `1d`, bounded; `null` for any other text. */
export function readTtl(value: unknown): number | null {
  const ms = typeof value === "string" ? parseDurationMs(value.trim()) : null;
  return ms === null || ms > TTL_MOST_MS ? null : ms;
}

/**
 * Makes a wish of its parts. `max_error` and `ttl` say something of semantic reuse alone; what is left out is taken from the tenant's settings.
 */
export function wishOf(
  parts: { readonly mode: unknown; readonly maxError?: unknown; readonly ttl?: unknown },
  settings: SemanticSettings = OFF,
): ReadWish {
  const { mode, maxError = null, ttl = null } = parts;
  if (typeof mode !== "string") return { wrong: `the mode must be one of ${KNOWN}` };
  if (mode !== "semantic") {
    if (maxError !== null || ttl !== null) return { wrong: "max_error and ttl say something of mode 'semantic' alone" };
    const exact = readReuseMode(mode);
    return exact === null ? { wrong: `'${mode.slice(0, 32)}' is not a cache mode; known: ${KNOWN}` } : { mode: exact, semantic: null };
  }
  const error = maxError === null ? settings.maxError : readMaxError(maxError);
  if (error === null) return { wrong: `max_error must be a share above 0 and at most ${MAX_ERROR_MOST}, such as 0.01` };
  const ttlMs = ttl === null ? settings.ttlMs : readTtl(ttl);
  if (ttl !== null && ttlMs === null) return { wrong: "ttl must be a length such as 12h or 1d, at most ten years" };
  return { mode: "exact", semantic: { maxError: error, ttlMs, asked: true } };
}

/** Reads a wish as a header or a batch's metadata has it: `semantic; max-error=0.01; ttl=1d`, or a mode alone. */
export function readReuseWish(text: string, settings: SemanticSettings = OFF): ReadWish {
  const [mode = "", ...terms] = text.split(";").map((part) => part.trim());
  const found: { maxError?: string; ttl?: string } = {};
  for (const term of terms) {
    if (term === "") continue;
    const at = term.indexOf("=");
    const name = (at < 0 ? term : term.slice(0, at)).trim().toLowerCase().replaceAll("_", "-");
    const value = at < 0 ? "" : term.slice(at + 1).trim();
    if (name === "max-error") found.maxError = value;
    else if (name === "ttl") found.ttl = value;
    else return { wrong: `'${name.slice(0, 32)}' is not known here; known: max-error, ttl` };
  }
  return wishOf({ mode, ...found }, settings);
}

/** What holds where a request says nothing: exact reuse of what is deterministic, and by meaning where the tenant has it on. */
export const usualWish = ({ on, maxError, ttlMs }: SemanticSettings = OFF): ReuseWish => ({
  mode: "auto",
  semantic: on ? { maxError, ttlMs, asked: false } : null,
});

/** A wish in one line, as a batch keeps it. */
export function writeWish({ mode, semantic }: ReuseWish): string {
  if (semantic === null) return mode;
  const { maxError, ttlMs, asked } = semantic;
  return `${mode}+semantic ${JSON.stringify({ maxError, ttlMs, asked })}`;
}

/** The wish of such a line; of one that was written by something older, its mode. */
export function storedWish(line: string): ReuseWish {
  const found = /^(\w+)\+semantic (\{.*\})$/.exec(line);
  if (found === null) return { mode: readReuseMode(line) ?? "auto", semantic: null };
  return { mode: readReuseMode(found[1] ?? "") ?? "auto", semantic: JSON.parse(found[2] ?? "{}") as SemanticTerms };
}
