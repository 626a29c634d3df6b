import { Fields } from "./fields.ts";
import { asBag, type Bag } from "./json.ts";
import { narrowSchema } from "./schema.ts";

const NAME = /^[a-zA-Z0-9_-]{1,128}$/;

/**
 * `tools`, `tool_choice` and `parallel_tool_calls` of a chat request as Anthropic's `tools` and `tool_choice`. `called`: functions that
 * the conversation calls; where no tool is offered any more they are declared and forbidden, since old calls need a declaration.
 */
export function toolsOfChat(body: Fields, called: ReadonlySet<string>): Bag {
  body.refuse("functions", "is the deprecated form of tools");
  body.refuse("function_call", "is the deprecated form of tool_choice");
  const parallel = body.flag("parallel_tool_calls");
  const choice = body.take("tool_choice");
  let tools = (body.list("tools") ?? []).map((tool, i) => toolOf(new Fields(tool, `tools[${i}]`, body.notes)));
  if (tools.length === 0) {
    if (choice !== undefined && choice !== "auto" && choice !== "none") body.fail("tool_choice", "asks for a tool and there is none");
    if (choice !== undefined) body.note("tool_choice", "dropped, there are no tools");
    if (parallel !== undefined) body.note("parallel_tool_calls", "dropped, there are no tools");
    if (called.size === 0) return {};
    body.note("tools", "the functions of old calls are declared and forbidden, since the other API wants them declared");
    return { tools: [...called].map((name) => ({ name, input_schema: { type: "object" } })), tool_choice: { type: "none" } };
  }
  const picked = choiceOf(body, choice);
  const only = picked.only;
  if (only) tools = tools.filter((tool) => only.has(String(tool["name"])));
  if (tools.length === 0) body.fail("tool_choice", "allows no tool that there is");
  const serial = parallel === false && picked.type !== "none" ? { disable_parallel_tool_use: true } : {};
  const named = picked.name === undefined ? {} : { name: picked.name };
  const said = choice === undefined && parallel !== false ? {} : { tool_choice: { type: picked.type, ...named, ...serial } };
  return { tools, ...said };
}

function toolOf(tool: Fields): Bag {
  if (tool.text("type") !== "function") return tool.fail("type", "is not a function, which is all that the other API could run for the caller");
  const fn = tool.inner("function") ?? tool.fail("function", "is missing");
  const name = fn.text("name") ?? fn.fail("name", "is missing");
  if (!NAME.test(name)) fn.fail("name", "has characters that the other API refuses");
  const description = fn.text("description");
  const given = fn.take("parameters") ?? { type: "object", properties: {} };
  const parameters = asBag(given) ?? fn.fail("parameters", "is no schema");
  if (parameters["type"] !== undefined && parameters["type"] !== "object") fn.fail("parameters", "is not the schema of an object");
  const schema: Bag = parameters["type"] === "object" ? parameters : { type: "object", ...parameters };
  const strict = fn.flag("strict") === true;
  fn.end();
  tool.end();
  return {
    name,
    ...(description === undefined ? {} : { description }),
    input_schema: strict ? narrowSchema(schema, fn.at("parameters"), fn.notes) : schema,
    ...(strict ? { strict: true } : {}),
  };
}

interface Choice {
  readonly type: "auto" | "any" | "none" | "tool";
  readonly name?: string;
  readonly only?: ReadonlySet<string>;
}

function choiceOf(body: Fields, choice: unknown): Choice {
  if (choice === undefined || choice === "auto") return { type: "auto" };
  if (choice === "required") return { type: "any" };
  if (choice === "none") return { type: "none" };
  if (asBag(choice) === null) return body.fail("tool_choice", "is no choice that the other API has");
  const fields = new Fields(choice, "tool_choice", body.notes);
  const type = fields.text("type");
  if (type === "function") return { type: "tool", name: functionName(fields) };
  if (type !== "allowed_tools") return fields.fail("type", "is no choice that the other API has");
  const allowed = fields.inner("allowed_tools") ?? fields.fail("allowed_tools", "is missing");
  const mode = allowed.text("mode") === "required" ? "any" : "auto";
  const names = (allowed.list("tools") ?? []).map((tool, i) => functionName(new Fields(tool, `${allowed.at("tools")}[${i}]`, body.notes)));
  return { type: mode, only: new Set(names) };
}

function functionName(fields: Fields): string {
  if ((fields.text("type") ?? "function") !== "function") return fields.fail("type", "is no function");
  const fn = fields.inner("function") ?? fields.fail("function", "is missing");
  return fn.text("name") ?? fn.fail("name", "is missing");
}
