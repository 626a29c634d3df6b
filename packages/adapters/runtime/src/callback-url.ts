import { isIP } from "node:net";
import { LIMITS } from "@slowboat/kernel";
import ipaddr from "ipaddr.js";

/** Azure's wire server: ipaddr.js counts it as unicast, yet it is inside. */
const INSIDE = new Set(["168.63.129.16"]);

/** The only IPv6 block that is given out for use between networks. What lies outside is not, IPv4-compatible `::7f00:1` among it. */
const GLOBAL_IPV6 = ipaddr.parseCIDR("2000::/3");

/** True when an address literal may be reached from anywhere: unicast, no private, loopback, link-local, mapped or tunnelled range. */
export function isPublicAddress(address: string): boolean {
  try {
    const parsed = ipaddr.process(address);
    if (parsed.range() !== "unicast" || INSIDE.has(parsed.toString())) return false;
    return parsed.kind() === "ipv4" || parsed.match(GLOBAL_IPV6);
  } catch {
    return false;
  }
}

/** A host as a URL spells it: lower case, an IPv6 address in its short form, without brackets. */
function hostName(host: string): string {
  const bare = host.replace(/^\[|\]$/g, "");
  const text = `http://${bare.includes(":") ? `[${bare}]` : bare}/`;
  return URL.canParse(text) ? new URL(text).hostname.replace(/^\[|\]$/g, "") : bare.toLowerCase();
}

/**
 * The allow-list as both checks read it, at registration and at each dial: exact `host:port` pairs (`[::1]:8080` for IPv6), whatever their
 * case. Returns whether it exempts a host, with or without brackets, on a port.
 */
export function exemptions(allowed: readonly string[]): (host: string, port: string) => boolean {
  const pairs = new Set(
    allowed.map((pair) => {
      const cut = pair.lastIndexOf(":");
      return `${hostName(pair.slice(0, cut))} ${pair.slice(cut + 1)}`;
    }),
  );
  return (host, port) => pairs.has(`${hostName(host)} ${port}`);
}

/** A callback address that may be stored, in its normal form; or why not, in words for the caller. */
export type CallbackCheck = { readonly url: string } | { readonly refused: string };

/** Last labels that lead nowhere public: names of a machine or a network, of a cluster, reserved ones, and hidden services. */
const NAMES_INSIDE =
  /(?:^|\.)(?:localhost|local|localdomain|internal|intranet|private|corp|home|lan|arpa|svc|pod|cluster|default|test|example|invalid|onion|alt)$/;

/** A label of a host name, after the URL has written it in ASCII. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const NAME_CHARS = 253;

/**
 * Judges a callback address by its text alone: https, a public name or address, no user name, port 443; `allowed` names exact
 * `host:port` pairs that are let through besides, over http too. It is never looked up or contacted here: the address is judged
 * again, with what DNS says, at each delivery.
 */
export function checkCallbackUrl(text: string, allowed: readonly string[]): CallbackCheck {
  if (text.length > LIMITS.callbackUrlChars) return { refused: `It is longer than ${LIMITS.callbackUrlChars} characters.` };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for; URL would drop them silently.
  if (/[\u0000-\u0020\u007f\\]/.test(text)) return { refused: "It holds a space, a backslash or a control character." };
  // Without the slashes (`https:example.com`) a parser guesses what was meant.
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) || !URL.canParse(text)) return { refused: "It is not a valid URL." };
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return { refused: "It must be an https address." };
  if (url.username !== "" || url.password !== "") return { refused: "It must not hold a user name or a password." };
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  if (exemptions(allowed)(url.hostname, port)) return { url: url.href };
  if (url.protocol !== "https:") return { refused: "It must be an https address." };
  if (port !== "443") return { refused: "It must use port 443." };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // URL has already turned every spelling of an IPv4 address (0x7f.1, 2130706433, 127.1) into its dotted form.
  if (isIP(host) !== 0) return isPublicAddress(host) ? { url: url.href } : { refused: "It names an address that is not public." };
  const name = host.replace(/\.$/, "");
  if (name.length > NAME_CHARS || !name.split(".").every((label) => LABEL.test(label))) return { refused: "Its host is not a valid name." };
  if (!name.includes(".") || NAMES_INSIDE.test(name)) return { refused: "It names a host that is not public." };
  return { url: url.href };
}
