import dns from "node:dns";
import net from "node:net";
import { exemptions, isPublicAddress } from "@slowboat/runtime";
import { Agent, buildConnector } from "undici";

const refusal = (what: string): Error => Object.assign(new Error(`refused ${what}: not a public address`), { code: "SSRF_BLOCKED" });

/**
 * An HTTP agent that dials public addresses only. Names are resolved once and the checked addresses are the dialled ones, so that a
 * name cannot change its mind in between; literal addresses never reach a lookup and are checked by themselves. `allow` names
 * exact `host:port` pairs that are exempt.
 */
export function guardedAgent(allow: readonly string[], timeoutMs: number): Agent {
  const exempt = exemptions(allow);
  const lookup: net.LookupFunction = (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, "", 0);
      const first = addresses[0];
      if (!first || addresses.some((entry) => !isPublicAddress(entry.address))) return callback(refusal(`name ${host}`), "", 0);
      if (options.all) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
  const guarded = buildConnector({ lookup, timeout: timeoutMs });
  const open = buildConnector({ timeout: timeoutMs });
  return new Agent({
    connect: (options, callback) => {
      const host = options.hostname.replace(/^\[|\]$/g, "");
      const port = options.port || (options.protocol === "https:" ? "443" : "80");
      if (exempt(host, port)) return open(options, callback);
      if (net.isIP(host) && !isPublicAddress(host)) return callback(refusal(`address ${host}`), null);
      return guarded(options, callback);
    },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connections: 16,
  });
}
