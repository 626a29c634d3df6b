import { type EmbeddedPostgres, startEmbeddedPostgres } from "@slowboat/store";

/** A database that stays up: an embedded one is started again when it dies; a given one is somebody else's care. */
export interface KeptDatabase {
  readonly url: string;
  readonly embedded: boolean;
  pid(): number | null;
  stop(): Promise<void>;
}

/** Starts or adopts the database. `fatal` is called when an embedded server cannot be brought back to its port. */
export async function keepDatabase(options: {
  readonly given: string | undefined;
  readonly dir: string;
  readonly say: (text: string) => void;
  readonly fatal: (error: Error) => void;
}): Promise<KeptDatabase> {
  if (options.given !== undefined) return { url: options.given, embedded: false, pid: () => null, stop: async () => undefined };
  let running: EmbeddedPostgres = await startEmbeddedPostgres({ dir: options.dir });
  let stopping = false;
  const { socketUrl: url, port } = running;
  const watch = async (): Promise<void> => {
    while (!stopping) {
      const { code } = await running.exited;
      if (stopping) return;
      options.say(`Postgres ended with ${code}; starting it again (log: ${options.dir}/postgres.log)`);
      running = await startEmbeddedPostgres({ dir: options.dir, port });
      if (running.port !== port) throw new Error(`Postgres came back on port ${running.port}, but every app knows it on ${port}.`);
    }
  };
  watch().catch((error: unknown) => options.fatal(error instanceof Error ? error : new Error(String(error))));
  return {
    url,
    embedded: true,
    pid: () => running.pid,
    stop: async () => {
      stopping = true;
      await running.stop();
    },
  };
}
