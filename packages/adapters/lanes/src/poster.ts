import type { CallParts } from "./call-lane.ts";
import { ACCEPT_ENCODING } from "./reply.ts";
import type { Target } from "./wire.ts";

/** Posts below `baseURL` with an account's own headers; a request's headers go before them, so that its API version counts. */
export function poster(baseURL: string, account: Readonly<Record<string, string>>): CallParts["post"] {
  const { origin, pathname } = new URL(baseURL);
  const base = pathname.replace(/\/+$/, "");
  const fixed = { accept: "application/json", "accept-encoding": ACCEPT_ENCODING, "user-agent": "slowboat", ...account };
  const targets = new Map<string, Target>();
  const targetOf = (path: string): Target => {
    const known = targets.get(path);
    if (known) return known;
    const made = { origin, path: `${base}${path}` };
    targets.set(path, made);
    return made;
  };
  return (wire, path, body, { headers, signal }) => wire.post(targetOf(path), { headers: { ...fixed, ...headers }, body, signal });
}
