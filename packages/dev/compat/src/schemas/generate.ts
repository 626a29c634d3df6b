import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";

/**
 * Writes the wire schemas out of the official clients' types: `npm run schemas -w @slowboat/compat`, to be run again when a client's
 * version changes. Objects are closed, so that a member no client knows is seen; one definition a line, so that a change can be read.
 */
const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

for (const [type, file] of [
  ["OpenAiWire", "openai.json"],
  ["AnthropicWire", "anthropic.json"],
] as const) {
  const made = createGenerator({
    path: at("wire-types.ts"),
    tsconfig: at("../../tsconfig.json"),
    type,
    skipTypeCheck: true,
    topRef: false,
    jsDoc: "none",
    additionalProperties: false,
    sortProps: true,
  }).createSchema(type);
  const lines = Object.entries({ ...made.definitions }).map(([name, schema]) => `${JSON.stringify(name)}: ${JSON.stringify(schema)}`);
  writeFileSync(at(file), `{"properties": ${JSON.stringify(made.properties)},\n"definitions": {\n${lines.join(",\n")}\n}}\n`);
}
