import type { Config } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { apiOf, type GlobalFlags } from "./place.ts";

/** What an alias may be set to. */
export interface RouteFlags extends GlobalFlags {
  readonly candidates: string;
  readonly baseline: string;
  readonly quality?: string;
  readonly shadow?: string;
  readonly judge?: string;
}

interface ShownRoute {
  readonly id: string;
  readonly model: string;
  readonly candidates: readonly string[];
  readonly baseline: string;
  readonly quality: number;
  readonly policy_version: number;
  readonly labels: number;
  readonly shadow: number;
  readonly judge: string | null;
  readonly pairs_open: number;
  readonly trained_at: string | null;
  readonly drifted_at: string | null;
}

/** Sets an alias of the key's tenant: which models may answer, and which is the measure. */
export async function routesSet(config: Config, flags: RouteFlags, alias: string): Promise<ExitCode> {
  const quality = flags.quality === undefined ? undefined : Number(flags.quality);
  if (quality !== undefined && !(quality >= 0.5 && quality <= 0.999))
    throw new Ended(EXIT.usage, `--quality ${String(flags.quality).slice(0, 32)} is not possible: give a share from 0.5 to 0.999.`);
  const shadow = flags.shadow === undefined ? undefined : Number(flags.shadow);
  if (shadow !== undefined && !(shadow >= 0 && shadow <= 0.2))
    throw new Ended(EXIT.usage, `--shadow ${String(flags.shadow).slice(0, 32)} is not possible: give a share from 0 (off) to 0.2.`);
  const candidates = flags.candidates
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const body = JSON.stringify({ candidates, baseline: flags.baseline, quality, shadow, judge: flags.judge });
  const route = await apiOf(config, flags).json<ShownRoute>("PUT", `/v1/routes/${encodeURIComponent(alias)}`, {
    body,
    headers: { "content-type": "application/json" },
  });
  await show(flags, route);
  say("The baseline answers everything until the alias has labels enough: drawn requests bring them, or a file (npx slowboat route train --help).");
  return EXIT.ok;
}

/** Lists the aliases of the key's tenant. */
export async function routesList(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  const { data: routes } = await apiOf(config, flags).json<{ data: readonly ShownRoute[] }>("GET", "/v1/routes");
  for (const route of routes) await show(flags, route);
  return EXIT.ok;
}

/** Takes an alias away, with what was learned for it. */
export async function routesDelete(config: Config, flags: GlobalFlags, alias: string): Promise<ExitCode> {
  await apiOf(config, flags).call("DELETE", `/v1/routes/${encodeURIComponent(alias)}`);
  say(`The alias ${alias} is gone, with its labels and what was learned from them.`);
  return EXIT.ok;
}

async function show(flags: GlobalFlags, route: ShownRoute): Promise<void> {
  const { model, candidates, baseline, quality, policy_version, labels, shadow, judge, pairs_open, trained_at, drifted_at } = route;
  await data(
    flags.json
      ? JSON.stringify(route)
      : `${model}  baseline ${baseline}  candidates ${candidates.join(", ")}  quality ${quality}  policy ${policy_version === 0 ? "none" : policy_version}, ${labels} labels, trained ${trained_at ?? "never"}  shadow ${shadow}, judge ${judge ?? "none"}, ${pairs_open} pairs open${drifted_at === null ? "" : `  closed for drift ${drifted_at}`}`,
  );
}
