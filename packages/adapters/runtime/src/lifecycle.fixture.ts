import { createLogger, runServices, type Service } from "./index.ts";

// A process with two services, whose second does as the test says.
const how = process.argv[2];
const tell = (text: string): void => {
  if (process.connected) process.send?.(text);
};
const service = (name: string, stop: () => Promise<void> = async () => undefined): Service => ({
  start: async () => tell(`start ${name}`),
  stop: async () => {
    tell(`stop ${name}`);
    await stop();
  },
});
const keepAlive = setInterval(() => undefined, 1000);
const stuck = (): Promise<void> => new Promise(() => undefined);
const services = [service("a", async () => clearInterval(keepAlive)), service("b", how === "stuck" ? stuck : async () => undefined)];
if (how === "crash") {
  setTimeout(() => {
    throw new Error("a bug");
  }, 20);
}
if (how === "secret") createLogger("fixture").info({ authorization: "Bearer sk-top", inner: { apiKey: "sk-deep" }, job: "job_1" }, "job-accepted");
await runServices(services, createLogger("fixture"), 500);
