import { cpus, totalmem } from "node:os";
import { rounded } from "./stats.ts";

/** What the figures were measured on. */
export function machine(): { readonly cpu: string; readonly cores: number; readonly memory_gb: number; readonly node: string } {
  const all = cpus();
  return { cpu: all[0]?.model ?? "unknown", cores: all.length, memory_gb: rounded(totalmem() / 1024 ** 3, 1), node: process.version };
}
