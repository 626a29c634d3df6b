/** What the run's setups hand to the tests. */
export interface Provided {
  /** Address of the run's Postgres, database `slowboat`. */
  readonly postgresUrl: string;
  /** Address of a Redis that the suite may empty. */
  readonly redisUrl: string;
}

declare module "vitest" {
  interface ProvidedContext extends Provided {}
}
