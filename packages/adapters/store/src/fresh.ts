/** Postgres' code for a key that is there already. */
const UNIQUE_VIOLATION = "23505";

/**
 * Rows that are `fresh` are written without a look for others of their keys, which costs a good part of their insertion. Where there is one after all
 * the statement fails, and its whole transaction with it: this tells that error, and all of it is to be done again with `fresh: false`.
 */
export const isNotFresh = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === UNIQUE_VIOLATION;
