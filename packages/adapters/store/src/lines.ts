/** Rows of many columns, or of texts in other rows, as lines of one text: no array for each column, and no cast for each of its values. */

export type Field = string | number | bigint | boolean | null | undefined;

/** Between rows, between fields, and for a field without a value: characters that no JSON text has, and that are taken out of every other. */
const ROW = "\x1e";
const FIELD = "\x1f";
const NOTHING = "\x05";

/** The rows of a parameter, each with its fields `f`. Unnested they pass for ten, so that each finds its row of a table by its key; those of a set-returning function pass for a thousand. */
export const rowsOf = (parameter: string): string =>
  `select ${FIELDS_OF_LINE} as f from unnest(string_to_array(${parameter}::text, E'\\x1e')) as line`;

/** The fields of a line. */
export const FIELDS_OF_LINE = "string_to_array(line, E'\\x1f', E'\\x05')";

/** Lines as one parameter; `null` for none. */
export const asParameter = (lines: readonly string[]): string | null => (lines.length === 0 ? null : lines.join(ROW));

/** A line of what stands in two. */
export const together = (one: string, other: string): string => one + FIELD + other;

/** The lines of a parameter, and the fields of a line; `null` for a field without a value. */
export const linesOf = (parameter: string | null): string[] => (parameter === null ? [] : parameter.split(ROW));
export const firstFieldOf = (line: string): string => line.slice(0, line.indexOf(FIELD));
export const fieldsOf = (line: string): (string | null)[] => line.split(FIELD).map((field) => (field === NOTHING ? null : field));

export function fieldText(value: Field): string {
  if (value === null || value === undefined) return NOTHING;
  return typeof value === "string" ? plain(value) : String(value);
}

/** What would end a field or a row, and NUL, which no text of Postgres has. */
const UNSTORABLE = new RegExp(`[\0${ROW}${FIELD}${NOTHING}]`, "g");

/** Only what is no JSON can have such a character, a proxy's page or a strange model's name: it is written without. */
export const plain = (text: string): string => (text.search(UNSTORABLE) < 0 ? text : text.replaceAll(UNSTORABLE, ""));
