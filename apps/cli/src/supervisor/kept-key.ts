import type { DataFolder } from "./data-folder.ts";

/** The key that an earlier start left for this checkout's CLI. */
export function readKept(folder: DataFolder): { readonly keyId: string; readonly key: string } | null {
  try {
    const kept = JSON.parse(folder.read("api-key.json") ?? "null") as { keyId?: unknown; key?: unknown } | null;
    return typeof kept?.keyId === "string" && typeof kept.key === "string" ? { keyId: kept.keyId, key: kept.key } : null;
  } catch {
    return null;
  }
}
