import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const read = (file: string): string => readFileSync(`${ROOT}${file}`, "utf8");

interface Row {
  readonly id: string;
  readonly held: readonly { readonly file: string; readonly title: string }[];
}

const rows: readonly Row[] = read("docs/failure-catalogue.md")
  .split("\n")
  .flatMap((line) => {
    const [, id, , held] = /^\| ([A-Z]\d+) \| (.+?) \| (.+) \|$/.exec(line) ?? [];
    if (id === undefined || held === undefined) return [];
    return [{ id, held: [...held.matchAll(/`([^`]+)`: “([^”]+)”/g)].map(([, file = "", title = ""]) => ({ file, title })) }];
  });

/** The title as the second argument's text would be written in its file: between quotes of either kind. */
const stands = (text: string, title: string): boolean => {
  const quoted = (quote: string): string => `${quote}${title.replaceAll(quote, `\\${quote}`)}${quote}`;
  return ['"', "'", "`"].some((quote) => text.includes(quoted(quote)));
};

test("the catalogue names every failure of its groups once, without a gap", () => {
  const counts: Readonly<Record<string, number>> = { S: 18, B: 20, C: 25, M: 6, Q: 13, K: 4, W: 8, U: 7 };
  // Of boards alone, as the page says.
  const apart = ["U2", "U3"];
  const wanted = Object.entries(counts)
    .flatMap(([group, count]) => Array.from({ length: count }, (_, i) => `${group}${i + 1}`))
    .filter((id) => !apart.includes(id));
  expect(rows.map((row) => row.id)).toEqual(wanted);
});

test("every failure is held by a test, and every test that the catalogue names is there under that title", () => {
  expect(rows.filter((row) => row.held.length === 0).map((row) => row.id)).toEqual([]);
  const missing = rows.flatMap(({ id, held }) =>
    held.filter(({ file, title }) => !stands(read(file), title)).map(({ file, title }) => `${id} ${file}: ${title}`),
  );
  expect(missing).toEqual([]);
});
