import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { LaneId } from "@slowboat/contract";
import type { PaceSettings } from "./paces.ts";
import type { Lane } from "./port.ts";

/** What a module of an installation's own lanes is told. */
export interface OwnLaneSettings {
  /** True when the other end is an emulator: its answers and costs are labelled wherever they show. */
  readonly emulated: boolean;
  readonly clock?: PaceSettings["clock"] | undefined;
}

/** The default export of such a module. */
export type OwnLanes = (settings: OwnLaneSettings) => readonly Lane[] | Promise<readonly Lane[]>;

const METHODS: Readonly<Record<string, readonly string[]>> = {
  call: ["call", "stream"],
  batch: ["submit", "find", "poll", "collect", "cancel"],
};

/**
 * Joins the lanes that the module at `path` makes to the built-in ones; one with the id of another takes its place. Throws an error that names the
 * setting and what the module lacks.
 */
export async function withOwnLanes(
  lanes: ReadonlyMap<LaneId, Lane>,
  path: string | undefined,
  settings: OwnLaneSettings,
): Promise<ReadonlyMap<LaneId, Lane>> {
  if (path === undefined) return lanes;
  const refuse = (what: string, cause?: unknown): never => {
    throw new Error(`SLOWBOAT_LANES (${path}): ${what}`, { cause });
  };
  const module = (await import(pathToFileURL(resolve(path)).href).catch((error: unknown) =>
    refuse(error instanceof Error ? error.message : String(error), error),
  )) as { readonly default?: unknown };
  if (typeof module.default !== "function") return refuse("the module has no default export that makes lanes");
  const make = module.default as OwnLanes;
  const made: unknown = await (async () => make(settings))().catch((error: unknown) =>
    refuse(`the default export failed: ${error instanceof Error ? error.message : String(error)}`, error),
  );
  if (!Array.isArray(made)) return refuse("the default export must give back a list of lanes");
  for (const [index, lane] of (made as unknown[]).entries()) {
    const lack = lacks(lane);
    if (lack !== null) refuse(`lane ${index} ${lack}`);
  }
  return new Map([...lanes, ...(made as Lane[]).map((lane): [LaneId, Lane] => [lane.id, lane])]);
}

/** What keeps a value from being a lane, or `null`. */
function lacks(value: unknown): string | null {
  const lane = (value ?? {}) as Record<string, unknown>;
  for (const key of ["id", "account"]) if (typeof lane[key] !== "string" || lane[key] === "") return `has no ${key}`;
  const methods = METHODS[String(lane["shape"])];
  if (!methods) return `(${String(lane["id"])}) has the shape ${JSON.stringify(lane["shape"])}, where "call" or "batch" is known`;
  const missing = methods.filter((name) => typeof lane[name] !== "function");
  return missing.length === 0 ? null : `(${String(lane["id"])}) has no method ${missing.join(", ")}`;
}
