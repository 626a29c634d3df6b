/**
 * Services that handle jobs by the hundred: what a chunk or a crowd of calls allocates must die young, or most of their time goes into collecting it. The
 * young generation begins large, since it grows only by what outlives it.
 */
const BULK = new Set(["intake-api", "scheduler", "results-service"]);

/** Node's own arguments for a service of this name. */
export const serviceArguments = (name: string): string[] => [
  "--disable-warning=ExperimentalWarning",
  ...(BULK.has(name) ? ["--min-semi-space-size=32", "--max-semi-space-size=64"] : []),
];
