/** Services that handle jobs by the hundred: what a chunk allocates must die young, or most of their time goes into collecting it. */
const BULK = new Set(["scheduler", "results-service"]);

/** Node's own arguments for a service of this name. */
export const serviceArguments = (name: string): string[] => [
  "--disable-warning=ExperimentalWarning",
  ...(BULK.has(name) ? ["--max-semi-space-size=64"] : []),
];
