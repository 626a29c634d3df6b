/** The floor plan, held by a tool: who may lean on whom. Types count as leaning, too. */
const room = (...names) => `^packages/(?:${names.join("|")})/`;
const TEST = "\\.(?:test|conformance|fixture)\\.ts$|/testing/";

module.exports = {
  forbidden: [
    { name: "no-circles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "core-leans-on-core",
      severity: "error",
      from: { path: room("core"), pathNot: TEST },
      to: { path: "^(?:packages|apps)/", pathNot: room("core") },
    },
    { name: "core-names-no-host", severity: "error", from: { path: room("core"), pathNot: TEST }, to: { dependencyTypes: ["core"] } },
    {
      name: "adapters-lean-on-core",
      comment: "never on another adapter",
      severity: "error",
      from: { path: "^packages/adapters/([^/]+)/", pathNot: TEST },
      to: { path: "^(?:packages|apps)/", pathNot: [room("core"), "^packages/adapters/$1/"] },
    },
    {
      name: "steps-lean-on-core-and-adapters",
      comment: "never on another step, by type either",
      severity: "error",
      from: { path: "^packages/steps/([^/]+)/", pathNot: TEST },
      to: { path: "^(?:packages|apps)/", pathNot: [room("core", "adapters"), "^packages/steps/$1/"] },
    },
    { name: "apps-never-lean-on-apps", severity: "error", from: { path: "^apps/([^/]+)/" }, to: { path: "^apps/", pathNot: "^apps/$1/" } },
    {
      name: "nothing-running-leans-on-dev",
      severity: "error",
      from: { path: "^(?:apps|packages/(?:core|adapters|steps))/", pathNot: TEST },
      to: { path: room("dev") },
    },
    {
      name: "dev-leans-on-core-and-dev",
      severity: "error",
      from: { path: "^packages/dev/(?!testkit|bench|compat|soak)", pathNot: TEST },
      to: { path: "^(?:packages|apps)/", pathNot: room("core", "dev") },
    },
    {
      name: "emulator-shares-no-wire",
      severity: "error",
      from: { path: "^packages/dev/emulator/" },
      to: { path: "^packages/(?:adapters|steps|core/(?:pricing|contract))/" },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(?:^|/)dist/" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
