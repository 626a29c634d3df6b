import { EventEmitter } from "node:events";
import { type ConnectionOptions, createPostgresBackend, runMigrations } from "bullmq";
import pg from "pg";
import type { Engine } from "./engine.ts";

const SCHEMA = "bullmq";

/**
 * BullMQ on Postgres with one pool and one listening connection a process, however many queues and consumers it has. Makes or
 * brings up BullMQ's own tables in the schema `bullmq`. Opens at most `max` connections and one that listens.
 */
export async function postgresEngine(url: string, max: number, onError: (error: Error) => void): Promise<Engine> {
  const config: pg.PoolConfig = {
    connectionString: url,
    max,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    statement_timeout: 30_000,
    // Nor does a connection that was cut without a word hold anybody.
    query_timeout: 45_000,
    application_name: "slowboat-queue",
    options: `-c search_path=${SCHEMA}`,
  };
  const pool = new pg.Pool(config);
  let closing = false;
  // An idle connection was lost; the pool opens another.
  pool.on("error", (error) => {
    if (!closing) onError(error);
  });
  try {
    const session = await pool.connect();
    try {
      await runMigrations(session, SCHEMA);
    } finally {
      session.release();
    }
  } catch (error) {
    await pool.end();
    throw error;
  }
  const listener = shareListener(config, onError);
  const connection = new SharedPool(pool, listener) as unknown as ConnectionOptions;
  return {
    backend: "postgres",
    factory: createPostgresBackend as Engine["factory"],
    producer: connection,
    consumer: connection,
    close: async () => {
      closing = true;
      await listener.close();
      await pool.end();
    },
  };
}

interface Listener {
  listen(sql: string, who: Session): Promise<void>;
  forget(who: Session): void;
  close(): Promise<void>;
}

/** One connection for every LISTEN. When it is lost every session on it hears of that, and the next LISTEN opens a new one. */
function shareListener(config: pg.ClientConfig, onError: (error: Error) => void): Listener {
  const sessions = new Set<Session>();
  let current: Promise<pg.Client> | null = null;
  let queries: Promise<unknown> = Promise.resolve();
  const open = async (): Promise<pg.Client> => {
    const client = new pg.Client({ ...config, statement_timeout: 0, keepAlive: true, keepAliveInitialDelayMillis: 10_000 });
    client.on("notification", (message) => {
      for (const session of [...sessions]) session.emit("notification", message);
    });
    let lost = false;
    const onLost = (error: Error): void => {
      if (lost) return;
      lost = true;
      current = null;
      void client.end().catch(() => undefined); // it is gone already
      for (const session of [...sessions]) session.emit("error", error);
    };
    client.on("error", onLost);
    client.on("end", () => onLost(new Error("the listening connection was closed")));
    await client.connect();
    return client;
  };
  return {
    listen: async (sql, who) => {
      if (!current) {
        const opening = open();
        current = opening;
        opening.catch(() => {
          if (current === opening) current = null;
        });
      }
      const client = await current;
      sessions.add(who);
      const mine = queries.then(() => client.query(sql)); // one query at a time on a connection
      queries = mine.catch(() => undefined);
      await mine;
    },
    forget: (who) => sessions.delete(who),
    close: async () => {
      sessions.clear();
      const client = await current?.catch(() => null);
      await client?.end().catch(onError);
    },
  };
}

/**
 * What BullMQ takes for a pooled connection. It wants one for itself a consumer, to listen on; here a LISTEN goes to the shared
 * connection and every other statement to whichever is free, so a consumer costs no connection.
 */
class Session extends EventEmitter {
  readonly #pool: pg.Pool;
  readonly #listener: Listener;

  constructor(pool: pg.Pool, listener: Listener) {
    super();
    this.#pool = pool;
    this.#listener = listener;
    this.setMaxListeners(0);
    this.on("error", () => undefined);
  }

  async query(sql: string, params?: unknown[]): Promise<unknown> {
    if (/^\s*(--[^\n]*\n\s*)*listen\s/i.test(sql)) {
      await this.#listener.listen(sql, this);
      return { rows: [], rowCount: 0 };
    }
    // The name of a connection that many share says nothing.
    if (sql.includes("'application_name'")) return { rows: [], rowCount: 0 };
    return await this.#pool.query(sql, params);
  }

  release(): void {
    this.#listener.forget(this);
  }
}

/** A pool in BullMQ's eyes, whose connections are sessions. `keepAlive` tells it that a lost listener is noticed. */
class SharedPool extends EventEmitter {
  readonly options = { keepAlive: true };
  readonly #pool: pg.Pool;
  readonly #listener: Listener;

  constructor(pool: pg.Pool, listener: Listener) {
    super();
    this.#pool = pool;
    this.#listener = listener;
    this.setMaxListeners(0);
  }

  query(sql: string, params?: unknown[]): Promise<unknown> {
    return this.#pool.query(sql, params);
  }

  async connect(): Promise<Session> {
    return new Session(this.#pool, this.#listener);
  }

  /** The engine ends its own pool. */
  async end(): Promise<void> {}
}
