import { fileURLToPath } from "node:url";
import { createGenerator } from "ts-json-schema-generator";

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** The files of wire schemas by their paths, as the official clients' types have them now. */
export function schemaFiles(): Map<string, string> {
  return new Map([
    [at("openai.json"), schemaText("OpenAiWire")],
    [at("anthropic.json"), schemaText("AnthropicWire")],
  ]);
}

/** One type's schema. Objects are closed, so that a member no client knows is seen; one definition a line, so that a change can be read. */
function schemaText(type: string): string {
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
  return `{"properties": ${JSON.stringify(made.properties)},\n"definitions": {\n${lines.join(",\n")}\n}}\n`;
}
