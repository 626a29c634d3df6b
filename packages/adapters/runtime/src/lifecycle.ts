import type { Logger } from "./logger.ts";

/** Something that runs. `stop` may be called twice. */
export interface Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Ends the process at once as crashed, with the reason in the log: for a state that only a fresh start mends. Whoever keeps the process
 * starts it again, and what it held is found in Postgres.
 */
export const crash =
  (logger: Logger) =>
  (err: unknown): never => {
    logger.error({ err }, "process-crashed");
    process.exit(70);
  };

/**
 * Starts services in order, then waits for SIGTERM, SIGINT or the loss of the parent process, and stops them in reverse. The same
 * signal again, or a stop that takes longer than `graceMs`, ends the process at once with code 1. Sends `ready` to a parent that listens.
 */
export async function runServices(services: readonly Service[], logger: Logger, graceMs = 10_000): Promise<void> {
  const started: Service[] = [];
  const { promise: asked, resolve: ask } = Promise.withResolvers<string>();
  const onSignal = (why: string): (() => void) => {
    let times = 0;
    // Somebody insists; another signal may only be our supervisor, who heard the first one too.
    return () => {
      if (++times > 1) process.exit(1);
      ask(why);
    };
  };
  process.on("SIGTERM", onSignal("SIGTERM"));
  process.on("SIGINT", onSignal("SIGINT"));
  const onParentLost = onSignal("parent-lost");
  process.on("disconnect", onParentLost);
  process.on("uncaughtException", crash(logger));
  for (const service of services) {
    await service.start();
    started.push(service);
  }
  process.send?.({ kind: "ready" });
  const why = await asked;
  logger.info({ why }, "process-stopping");
  const timer = setTimeout(() => {
    logger.error({ graceMs }, "process-stop-late");
    process.exit(1);
  }, graceMs);
  for (const service of started.reverse()) await service.stop();
  clearTimeout(timer);
  // Our own farewell is not the loss of the parent: counted as a second signal it would end an orderly stop with code 1.
  process.off("disconnect", onParentLost);
  if (process.connected) process.disconnect();
}
