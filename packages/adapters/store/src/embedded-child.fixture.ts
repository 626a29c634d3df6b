import { startEmbeddedPostgres } from "./embedded.ts";

// Starts a server and waits: the test kills this process.
const server = await startEmbeddedPostgres({ dir: process.argv[2] ?? "", port: 0, durable: false });
process.send?.({ url: server.url, pid: server.pid });
