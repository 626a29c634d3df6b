import { fault, LIMITS } from "@slowboat/kernel";

/** A caller's metadata: at most 16 pairs of text. Any name is kept, `__proto__` too: go through it with Object.entries. */
export type Metadata = Readonly<Record<string, string>>;

const BOUNDS = `at most ${LIMITS.metadataPairs} pairs of text, keys of ${LIMITS.metadataKeyChars} and values of ${LIMITS.metadataValueChars} characters`;

/** Reads the member `metadata` of a request, bounded as the OpenAI API bounds it; `null` where it is missing. The object is the caller's own. */
export function readMetadata(value: unknown): Metadata | null {
  if (value === undefined || value === null) return null;
  const refuse = (param: string): never => {
    throw fault("invalid-request", { param, message: `'${param}' is not valid: 'metadata' must hold ${BOUNDS}.` });
  };
  if (typeof value !== "object" || Array.isArray(value)) return refuse("metadata");
  const pairs = Object.entries(value);
  if (pairs.length > LIMITS.metadataPairs) return refuse("metadata");
  for (const [name, text] of pairs) {
    if (name.length > LIMITS.metadataKeyChars) return refuse("metadata");
    if (typeof text !== "string" || text.length > LIMITS.metadataValueChars) return refuse(`metadata.${name}`);
  }
  return value as Metadata;
}
