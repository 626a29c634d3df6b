import { fault } from "@slowboat/kernel";

/** The caller's headers that change what the provider does. */
const PASSED_ON = ["anthropic-version", "anthropic-beta"] as const;

/** Requires `anthropic-version`, as the provider does, and returns the headers that go on to it. */
export function versionHeaders(headers: Headers): Readonly<Record<string, string>> {
  const version = headers.get("anthropic-version");
  if (version === null) throw fault("invalid-request", { param: "anthropic-version", message: "anthropic-version: header is required" });
  if (!/^\d{4}-\d{2}-\d{2}$/.test(version)) {
    throw fault("invalid-request", { param: "anthropic-version", message: `anthropic-version: "${version.slice(0, 32)}" is not a valid version.` });
  }
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = headers.get(name);
    if (value !== null) passed[name] = value;
  }
  return passed;
}
