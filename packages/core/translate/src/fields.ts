import { asBag, asNumber, type Bag } from "./json.ts";

/** Ends a translation inside this package; it never leaves it. `field` is the path in the caller's body. */
export class Untranslatable extends Error {
  override readonly name = "Untranslatable";
  readonly field: string;
  readonly why: string;
  constructor(field: string, why: string) {
    super(`${field}: ${why}`);
    this.field = field;
    this.why = why;
  }
}

const MAX_NOTES = 100;

/** What a translation left out or changed, one line each, `field: what`. Lines that differ only in an index are one. */
export class Notes {
  readonly #lines = new Set<string>();
  #more = 0;

  add(field: string, what: string): void {
    const line = `${field.replace(/\[\d+\]/g, "[]")}: ${what}`;
    if (this.#lines.has(line)) return;
    if (this.#lines.size < MAX_NOTES) this.#lines.add(line);
    else this.#more++;
  }

  list(): string[] {
    return this.#more === 0 ? [...this.#lines] : [...this.#lines, `and ${this.#more} more`];
  }
}

/** Why a member without a counterpart is left out. */
const NO_COUNTERPART = "dropped, the other API has no such field";

/**
 * The members of one object of the caller's, each to be taken by name. What nobody took is noted by `end`, so that no member can be
 * dropped without a word. A member that is `null` counts as absent.
 */
export class Fields {
  readonly path: string;
  readonly notes: Notes;
  readonly #bag: Bag;
  readonly #left: Set<string>;

  /** Throws `Untranslatable` for a value that is no object. */
  constructor(value: unknown, path: string, notes: Notes) {
    const bag = asBag(value);
    if (!bag) throw new Untranslatable(path, "is not an object");
    this.path = path;
    this.notes = notes;
    this.#bag = bag;
    this.#left = new Set(Object.keys(bag));
  }

  /** The path of a member, as it is said in notes. */
  at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  take(key: string): unknown {
    this.#left.delete(key);
    return Object.hasOwn(this.#bag, key) ? (this.#bag[key] ?? undefined) : undefined;
  }

  text(key: string): string | undefined {
    const value = this.take(key);
    if (value !== undefined && typeof value !== "string") this.fail(key, "is not a string");
    return value as string | undefined;
  }

  number(key: string): number | undefined {
    const value = this.take(key);
    const number = value === undefined ? undefined : asNumber(value);
    return number === null ? this.fail(key, "is not a number") : number;
  }

  flag(key: string): boolean | undefined {
    const value = this.take(key);
    if (value !== undefined && typeof value !== "boolean") this.fail(key, "is not true or false");
    return value as boolean | undefined;
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.take(key);
    if (value !== undefined && !Array.isArray(value)) this.fail(key, "is not an array");
    return value as readonly unknown[] | undefined;
  }

  /** The members of an inner object, or `null` where there is none. */
  inner(key: string): Fields | null {
    const value = this.take(key);
    return value === undefined ? null : new Fields(value, this.at(key), this.notes);
  }

  /** Takes a member off with a note when it was there. */
  drop(key: string, why: string = NO_COUNTERPART): void {
    if (this.take(key) !== undefined) this.note(key, why);
  }

  /** Refuses a member, whatever it says. */
  refuse(key: string, why: string): void {
    if (this.take(key) !== undefined) this.fail(key, why);
  }

  note(key: string, what: string): void {
    this.notes.add(this.at(key), what);
  }

  fail(key: string, why: string): never {
    throw new Untranslatable(this.at(key), why);
  }

  /** The names of members that nobody took so far. */
  left(): string[] {
    return [...this.#left];
  }

  /** Notes every member that nobody took. */
  end(): void {
    for (const key of this.#left) this.drop(key);
  }
}
