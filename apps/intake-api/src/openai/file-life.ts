import { fault } from "@slowboat/kernel";

const LIFE_S = { min: 3600, max: 2_592_000 };

/** Reads how long a file is kept, `{anchor: "created_at", seconds}` with an hour to thirty days, as ms from its creation. */
export function readLife(value: unknown, param: string): number {
  const { anchor, seconds } = (typeof value === "object" && value !== null ? value : {}) as { anchor?: unknown; seconds?: unknown };
  if (anchor !== "created_at") throw fault("invalid-request", { param: `${param}.anchor`, message: `'${param}.anchor' must be 'created_at'.` });
  if (typeof seconds !== "number" || !Number.isInteger(seconds) || seconds < LIFE_S.min || seconds > LIFE_S.max)
    throw fault("invalid-request", { param: `${param}.seconds`, message: `'${param}.seconds' must be from ${LIFE_S.min} to ${LIFE_S.max}.` });
  return seconds * 1000;
}
