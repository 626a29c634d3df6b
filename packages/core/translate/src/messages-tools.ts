import { Fields } from "./fields.ts";
import { asBag, type Bag } from "./json.ts";
import { isOSeries } from "./models.ts";
import { fitsStrict } from "./schema.ts";

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** `tools` and `tool_choice` of a messages request as those of a chat request for this model. */
export function toolsOfMessages(body: Fields, model: string): Bag {
  const tools = (body.list("tools") ?? []).map((tool, i) => toolOf(new Fields(tool, `tools[${i}]`, body.notes)));
  const choice = body.inner("tool_choice");
  if (tools.length === 0) {
    if (choice) body.note("tool_choice", "dropped, there are no tools");
    return {};
  }
  if (!choice) return { tools };
  const type = choice.text("type");
  const name = choice.text("name");
  const serial = choice.flag("disable_parallel_tool_use") === true;
  if (serial && isOSeries(model)) choice.note("disable_parallel_tool_use", "dropped, the model refuses the setting");
  choice.end();
  const picked =
    type === "tool"
      ? { type: "function", function: { name: name ?? choice.fail("name", "is missing") } }
      : (WORDS[type ?? ""] ?? choice.fail("type", "is no choice that the other API has"));
  return { tools, tool_choice: picked, ...(serial && !isOSeries(model) ? { parallel_tool_calls: false } : {}) };
}

const WORDS: Readonly<Record<string, string>> = { auto: "auto", any: "required", none: "none" };

function toolOf(tool: Fields): Bag {
  const type = tool.text("type") ?? "custom";
  if (type !== "custom") return tool.fail("type", `is "${type}", a tool of the first provider`);
  const name = tool.text("name") ?? tool.fail("name", "is missing");
  if (!NAME.test(name)) tool.fail("name", "is longer than 64 characters or has some that the other API refuses");
  const description = tool.text("description");
  const schema = tool.take("input_schema");
  if (asBag(schema) === null) tool.fail("input_schema", "is no schema");
  const strict = tool.flag("strict") === true && fitsStrict(schema);
  if (tool.flag("strict") === true && !strict) tool.note("strict", "dropped, the other API enforces only closed schemas without optional members");
  tool.drop("cache_control", "dropped, cache breakpoints are set anew for the model that answers");
  tool.end();
  return {
    type: "function",
    function: { name, ...(description === undefined ? {} : { description }), parameters: schema, ...(strict ? { strict } : {}) },
  };
}
