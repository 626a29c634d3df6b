import { type ModelRule, readNames, storedModelRule, storedNames } from "@slowboat/contract";
import { knownFallbacks } from "@slowboat/intake";
import { isFault } from "@slowboat/kernel";
import { resolveModel } from "@slowboat/pricing";
import { MAX_ERROR_MOST, readMaxError, readTtl, type SemanticSettings, storedSemantic } from "@slowboat/reuse";
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
  /** `on` or `off`. */
  readonly semanticCache?: string;
  readonly maxError?: string;
  readonly cacheTtl?: string;
  /** A model, or `none`. */
  readonly cacheJudge?: string;
  readonly weight?: string;
  readonly modelsAllow?: string;
  readonly modelsDeny?: string;
}

/** Names in a rule. */
const RULE_NAMES_MAX = 100;
const RETENTION_DAYS_MAX = 3650;

/** Sets what a tenant may do, for how long its results are kept and which models stand in for others; what is not named stays as it was. */
export async function tenantsSet(config: Config, flags: TenantFlags, name: string): Promise<ExitCode> {
  const { allowUnpriced, retentionDays, semanticCache, maxError, cacheTtl, cacheJudge, weight } = flags;
  const reuse = [semanticCache, maxError, cacheTtl, cacheJudge].some((flag) => flag !== undefined);
  const rule = readRule(config, flags);
  const terse = allowUnpriced === undefined && retentionDays === undefined && flags.fallbacks === undefined && weight === undefined;
  if (terse && rule === null && !reuse)
    throw new Ended(
      EXIT.usage,
      "Nothing to set: give --allow-unpriced, --no-allow-unpriced, --retention-days, --fallbacks, --weight, --models-allow, --models-deny, --semantic-cache, --max-error, --cache-ttl or --cache-judge.",
    );
  const change = reuse ? readReuse(config, flags) : null;
  const fallbacks = flags.fallbacks === undefined ? undefined : readChain(config, flags.fallbacks);
  const days = retentionDays === undefined ? undefined : readDays(retentionDays);
  return await withStore(config, flags, async (store) => {
    const terms = {
      ...(allowUnpriced === undefined ? {} : { allowUnpriced }),
      ...(days === undefined ? {} : { retentionDays: days }),
      ...(fallbacks === undefined ? {} : { fallbacks }),
      ...(flags.weight === undefined ? {} : { weight: readWeight(flags.weight) }),
    };
    const tenant = await store.begin(async (tx) => {
      const set = await setTenant(tx, { name, ...terms });
      if (set === null) return set;
      return await setTenant(tx, {
        name,
        ...(change === null ? {} : { semanticCache: JSON.stringify({ ...storedSemantic(set.semanticCache), ...change }) }),
        ...(rule === null ? {} : { models: written({ ...(storedModelRule(set.models) ?? ANY_MODEL), ...rule }) }),
      });
    });
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
  const reuse = storedSemantic(tenant.semanticCache);
  const { allow, deny } = storedModelRule(tenant.models) ?? ANY_MODEL;
  await data(
    flags.json
      ? JSON.stringify({
          tenant_id: tenantId,
          name,
          allow_unpriced: allowUnpriced,
          retention_days: retentionDays,
          fallbacks,
          weight,
          models: { allow, deny },
          cache: reuseMembers(reuse),
        })
      : `${tenantId}  ${allowUnpriced ? "unpriced allowed" : "priced models only"}  results kept ${retentionDays} days  ${weight === 1 ? "" : `weight ${weight}  `}${fallbacks.length === 0 ? "" : `falls back on ${fallbacks.join(", ")}  `}${allow === null ? "" : `stand-ins only ${allow.join(", ")}  `}${deny.length === 0 ? "" : `no stand-ins ${deny.join(", ")}  `}${reuse.on ? `semantic cache, at most ${reuse.maxError} wrong${reuse.judge === null ? "" : `, in doubt ${reuse.judge} judges`}  ` : ""}${name}`,
  );
}

const reuseMembers = ({ on, maxError, ttlMs, judge }: SemanticSettings) => ({ semantic: on, max_error: maxError, ttl_ms: ttlMs, judge });

/** What the flags change of a tenant's semantic reuse. */
function readReuse(config: Config, { semanticCache, maxError, cacheTtl, cacheJudge }: TenantFlags): Partial<SemanticSettings> {
  const change: { on?: boolean; maxError?: number; ttlMs?: number | null; judge?: string | null } = {};
  if (cacheJudge !== undefined) change.judge = cacheJudge === "none" ? null : readJudge(config, cacheJudge);
  if (semanticCache !== undefined) {
    if (semanticCache !== "on" && semanticCache !== "off")
      throw new Ended(EXIT.usage, `--semantic-cache ${semanticCache.slice(0, 32)} is not possible: give on or off.`);
    change.on = semanticCache === "on";
  }
  if (maxError !== undefined) {
    const read = readMaxError(maxError);
    if (read === null)
      throw new Ended(
        EXIT.usage,
        `--max-error ${maxError.slice(0, 32)} is not possible: give a share above 0 and at most ${MAX_ERROR_MOST}, such as 0.01.`,
      );
    change.maxError = read;
  }
  if (cacheTtl !== undefined) {
    const read = cacheTtl === "" ? null : readTtl(cacheTtl);
    if (read === null && cacheTtl !== "")
      throw new Ended(EXIT.usage, `--cache-ttl ${cacheTtl.slice(0, 32)} is not possible: give a length such as 12h or 1d, or '' for none.`);
    change.ttlMs = read;
  }
  return change;
}

/** A model that answers in words and has a price. */
function readJudge(config: Config, name: string): string {
  const model = resolveModel(readMarket(config).book, name);
  if (model?.endpoints.some((one) => one === "/v1/chat/completions" || one === "/v1/messages")) return name;
  throw new Ended(EXIT.usage, `--cache-judge ${name.slice(0, 64)} is not possible: give a model of the price book that answers in words, or none.`);
}

const ANY_MODEL: ModelRule = { allow: null, deny: [] };

/** The rule as it is stored; an empty text where it rules nothing out. */
const written = (rule: ModelRule): string => (rule.allow === null && rule.deny.length === 0 ? "" : JSON.stringify(rule));

/** What the flags change of which models may be asked where another was named; `null` for nothing. */
function readRule(config: Config, { modelsAllow, modelsDeny }: TenantFlags): Partial<ModelRule> | null {
  if (modelsAllow === undefined && modelsDeny === undefined) return null;
  const allow = modelsAllow === undefined ? undefined : readRuleNames(config, modelsAllow, "--models-allow");
  const deny = modelsDeny === undefined ? undefined : readRuleNames(config, modelsDeny, "--models-deny");
  return { ...(allow === undefined ? {} : { allow: allow.length === 0 ? null : allow }), ...(deny === undefined ? {} : { deny }) };
}

function readRuleNames(config: Config, text: string, flag: string): readonly string[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()))].filter((name) => name !== "");
  if (names.length > RULE_NAMES_MAX) throw new Ended(EXIT.usage, `${flag} may name at most ${RULE_NAMES_MAX} models.`);
  return knownNames(config, names, flag);
}

/** The chain as it is stored; an empty text for none. */
function readChain(config: Config, text: string): string {
  const names = knownNames(config, text, "--fallbacks");
  return names.length === 0 ? "" : JSON.stringify(names);
}

/** Names that the price book knows: a list, or as many as a chain may have. */
function knownNames(config: Config, given: string | readonly string[], flag: string): readonly string[] {
  try {
    return knownFallbacks(readMarket(config).book, typeof given === "string" ? readNames(given, flag) : given, flag);
  } catch (error) {
    if (isFault(error)) throw new Ended(EXIT.usage, `${flag} ${String(given).slice(0, 64)} is not possible: ${error.message}`);
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
