import { isIP } from "node:net";
import { LIMITS } from "@slowboat/kernel";
import ipaddr from "ipaddr.js";

/** Azure's wire server: ipaddr.js counts it as unicast, yet it is inside. */
const INSIDE = new Set(["168.63.129.16"]);

/** True when an address literal may be reached from anywhere: unicast, no private, loopback, link-local, mapped or tunnelled range. */
export function isPublicAddress(address: string): boolean {
  try {
    const parsed = ipaddr.process(address);
    return parsed.range() === "unicast" && !INSIDE.has(parsed.toString());
  } catch {
    return false;
  }
}

/** A callback address that may be stored, in its normal form; or why not, in words for the caller. */
export type CallbackCheck = { readonly url: string } | { readonly refused: string };

const NAMES_INSIDE = /(?:^|\.)(?:localhost|local|internal|localdomain|home\.arpa|lan|intranet|corp)$/;

/**
 * Judges a callback address by its text alone: https, a public name or address, no user name, port 443; `allowed` names exact
 * `host:port` pairs that are let through besides, over http too. It is never looked up or contacted here: the address is judged
 * again, with what DNS says, at each delivery.
 */
export function checkCallbackUrl(text: string, allowed: readonly string[]): CallbackCheck {
  if (text.length > LIMITS.callbackUrlChars) return { refused: `It is longer than ${LIMITS.callbackUrlChars} characters.` };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for; URL would drop them silently.
  if (/[\u0000-\u0020\u007f\\]/.test(text)) return { refused: "It holds a space, a backslash or a control character." };
  if (!URL.canParse(text)) return { refused: "It is not a valid URL." };
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return { refused: "It must be an https address." };
  if (url.username !== "" || url.password !== "") return { refused: "It must not hold a user name or a password." };
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  if (allowed.includes(`${url.hostname}:${port}`)) return { url: url.href };
  if (url.protocol !== "https:") return { refused: "It must be an https address." };
  if (port !== "443") return { refused: "It must use port 443." };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  // URL has already turned every spelling of an IPv4 address (0x7f.1, 2130706433, 127.1) into its dotted form.
  if (isIP(host) !== 0) return isPublicAddress(host) ? { url: url.href } : { refused: "It names an address that is not public." };
  const name = host.replace(/\.$/, "");
  if (!name.includes(".") || NAMES_INSIDE.test(name)) return { refused: "It names a host that is not public." };
  return { url: url.href };
}
