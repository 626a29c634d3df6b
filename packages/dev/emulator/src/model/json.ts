/** A JSON object as it came off the wire: nothing is known about its members. */
export type Json = Record<string, unknown>;

/** True for a JSON object; arrays and null are not objects here. */
export const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** The value as an object, or an empty one. */
export const objectOf = (value: unknown): Json => (isObject(value) ? value : {});

/** The value as an array, or an empty one. */
export const arrayOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The value as text, or the fallback. */
export const textOf = (value: unknown, fallback = ""): string => (typeof value === "string" ? value : fallback);

/** The value as a finite number, or null. */
export const numberOf = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
