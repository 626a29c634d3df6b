import { randomInt } from "node:crypto";
import { createServer } from "node:net";

const TRIED = 50;
/**
 * Where "any" port is looked for: below the range from which the system takes a port for every outgoing connection, since one of those
 * could take ours before the app that it is meant for listens, or while that app is down.
 */
const ANY_FROM = 20_000;
const ANY_COUNT = 10_000;

/** The first free port from `first` on, on 127.0.0.1; 0 asks for any. `taken` holds ports that were promised already. */
export async function freePort(first: number, taken: ReadonlySet<number> = new Set()): Promise<number> {
  if (first === 0) return await anyPort(taken);
  for (let port = first; port < first + TRIED && port < 65_536; port++) {
    if (!taken.has(port) && (await tryPort(port)) !== null) return port;
  }
  throw new Error(`Every port from ${first} to ${first + TRIED - 1} on 127.0.0.1 is in use; choose another with --port.`);
}

async function anyPort(taken: ReadonlySet<number>): Promise<number> {
  for (let tried = 0; tried < TRIED; tried++) {
    const port = ANY_FROM + randomInt(ANY_COUNT);
    if (!taken.has(port) && (await tryPort(port)) !== null) return port;
  }
  throw new Error(`No free port was found from ${ANY_FROM} to ${ANY_FROM + ANY_COUNT - 1} on 127.0.0.1.`);
}

const tryPort = (port: number): Promise<number | null> =>
  new Promise((done) => {
    const probe = createServer().once("error", () => done(null));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address ? address.port : null));
    });
  });
