import { readNames, storedNames } from "@slowboat/contract";
import { knownFallbacks } from "@slowboat/intake";
import { isFault } from "@slowboat/kernel";
import { type ListedTenant, listTenants, setTenant } from "@slowboat/store";
import { type Config, readMarket } from "../config.ts";
import { Ended, EXIT, type ExitCode } from "../exit.ts";
import { data, say } from "../terminal.ts";
import { type GlobalFlags, withStore } from "./place.ts";

/** What a tenant may be set to. */
export interface TenantFlags extends GlobalFlags {
  readonly allowUnpriced?: boolean;
  readonly retentionDays?: string;
  readonly fallbacks?: string;
  readonly weight?: string;
}

const RETENTION_DAYS_MAX = 3650;

/** Sets what a tenant may do, for how long its results are kept and which models stand in for others; what is not named stays as it was. */
export async function tenantsSet(config: Config, flags: TenantFlags, name: string): Promise<ExitCode> {
  const { allowUnpriced, retentionDays } = flags;
  if (allowUnpriced === undefined && retentionDays === undefined && flags.fallbacks === undefined && flags.weight === undefined)
    throw new Ended(EXIT.usage, "Nothing to set: give --allow-unpriced, --no-allow-unpriced, --retention-days, --fallbacks or --weight.");
  const fallbacks = flags.fallbacks === undefined ? undefined : readChain(config, flags.fallbacks);
  const days = retentionDays === undefined ? undefined : readDays(retentionDays);
  return await withStore(config, flags, async (store) => {
    const terms = {
      ...(allowUnpriced === undefined ? {} : { allowUnpriced }),
      ...(days === undefined ? {} : { retentionDays: days }),
      ...(fallbacks === undefined ? {} : { fallbacks }),
      ...(flags.weight === undefined ? {} : { weight: readWeight(flags.weight) }),
    };
    const tenant = await store.begin((tx) => setTenant(tx, { name, ...terms }));
    if (tenant === null) throw new Ended(EXIT.error, `There is no tenant '${name.slice(0, 64)}'; see: npx slowboat tenants list`);
    await show(flags, tenant);
    say("Every process notices within ten seconds; the retention holds for what is there already.");
    return EXIT.ok;
  });
}

/** Lists the tenants of the installation. */
export async function tenantsList(config: Config, flags: GlobalFlags): Promise<ExitCode> {
  return await withStore(config, flags, async (store) => {
    for (const tenant of await listTenants(store.sql)) await show(flags, tenant);
    return EXIT.ok;
  });
}

async function show(flags: GlobalFlags, tenant: ListedTenant): Promise<void> {
  const { tenantId, name, allowUnpriced, retentionDays, weight } = tenant;
  const fallbacks = storedNames(tenant.fallbacks) ?? [];
  await data(
    flags.json
      ? JSON.stringify({ tenant_id: tenantId, name, allow_unpriced: allowUnpriced, retention_days: retentionDays, fallbacks, weight })
      : `${tenantId}  ${allowUnpriced ? "unpriced allowed" : "priced models only"}  results kept ${retentionDays} days  ${weight === 1 ? "" : `weight ${weight}  `}${fallbacks.length === 0 ? "" : `falls back on ${fallbacks.join(", ")}  `}${name}`,
  );
}

/** The chain as it is stored; an empty text for none. */
function readChain(config: Config, text: string): string {
  try {
    const names = knownFallbacks(readMarket(config).book, readNames(text, "--fallbacks"), "--fallbacks");
    return names.length === 0 ? "" : JSON.stringify(names);
  } catch (error) {
    if (isFault(error)) throw new Ended(EXIT.usage, `--fallbacks ${text.slice(0, 64)} is not possible: ${error.message}`);
    throw error;
  }
}

function readWeight(text: string): number {
  const weight = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(weight > 0 && weight <= 1000))
    throw new Ended(EXIT.usage, `--weight ${text.slice(0, 32)} is not possible: give a number above 0, up to 1000.`);
  return weight;
}

function readDays(text: string): number {
  const days = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(days <= RETENTION_DAYS_MAX))
    throw new Ended(EXIT.usage, `--retention-days ${text.slice(0, 32)} is not possible: give whole days from 0 to ${RETENTION_DAYS_MAX}.`);
  return days;
}
