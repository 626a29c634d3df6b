/**
 * Portkey's gateway as its own start script runs it, in production and without its console, but kept to loopback: it knows no setting
 * for the address it listens on. Says its port when it listens.
 */
import { type AddressInfo, Server } from "node:net";

const listen = Server.prototype.listen as unknown as (this: Server, ...args: unknown[]) => Server;
Server.prototype.listen = function onLoopback(this: Server): Server {
  this.once("listening", () => process.send?.({ kind: "ready", port: (this.address() as AddressInfo).port }));
  return listen.call(this, 0, "127.0.0.1");
} as typeof Server.prototype.listen;

process.argv.push("--headless");
for (const event of ["SIGTERM", "disconnect"] as const) process.once(event, () => process.exit(0));
await import(import.meta.resolve("@portkey-ai/gateway/build/start-server.js"));
