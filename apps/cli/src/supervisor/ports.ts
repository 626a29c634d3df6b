import { createServer } from "node:net";

const TRIED = 50;

/** The first free port from `first` on, on 127.0.0.1; 0 asks for any. `taken` holds ports that were promised already. */
export async function freePort(first: number, taken: ReadonlySet<number> = new Set()): Promise<number> {
  if (first === 0) return await tryPort(0).then((port) => port ?? Promise.reject(new Error("no port is free on 127.0.0.1")));
  for (let port = first; port < first + TRIED && port < 65_536; port++) {
    if (!taken.has(port) && (await tryPort(port)) !== null) return port;
  }
  throw new Error(`Every port from ${first} to ${first + TRIED - 1} on 127.0.0.1 is in use; choose another with --port.`);
}

const tryPort = (port: number): Promise<number | null> =>
  new Promise((done) => {
    const probe = createServer().once("error", () => done(null));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address ? address.port : null));
    });
  });
