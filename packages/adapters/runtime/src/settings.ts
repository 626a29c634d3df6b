import type { z } from "zod";

/**
 * Reads an app's settings from the environment once, at its start. A wrong value ends the process with every wrong key
 * named and what it should have been, instead of failing later somewhere else.
 */
export function parseSettings<T extends z.ZodType>(schema: T, env: Record<string, string | undefined>): z.infer<T> {
  const parsed = schema.safeParse(env);
  if (parsed.success) return parsed.data;
  const [first = "", ...more] = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(
    more.length === 0
      ? `a setting is not usable: ${first}`
      : `the settings are not usable:\n${[first, ...more].map((line) => `  ${line}`).join("\n")}`,
  );
}
