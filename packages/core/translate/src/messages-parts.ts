import { Fields, type Notes, Untranslatable } from "./fields.ts";
import { asText, type Bag } from "./json.ts";

const CACHE_MARK = "dropped, cache breakpoints are set anew for the model that answers";

/** Blocks of a message with their fields opened; text alone is one text block. */
export function fieldsOfBlocks(content: unknown, path: string, notes: Notes): Fields[] {
  const whole = asText(content);
  if (whole !== null) return [new Fields({ type: "text", text: whole }, path, notes)];
  if (content === undefined) return [];
  if (!Array.isArray(content)) throw new Untranslatable(path, "is neither text nor an array of blocks");
  return content.map((block, i) => {
    const fields = new Fields(block, `${path}[${i}]`, notes);
    fields.drop("cache_control", CACHE_MARK);
    return fields;
  });
}

/** A text part of a text block. */
export function textPart(block: Fields): Bag {
  const text = block.text("text") ?? block.fail("text", "is missing");
  if (block.list("citations")?.length) block.note("citations", "dropped, the other API has no such field");
  block.end();
  return { type: "text", text };
}

/** The chat parts of a block that a user may send, or `null` for a type that chat does not have. */
export function userParts(block: Fields, type: string): Bag[] | null {
  if (type === "text") return [textPart(block)];
  if (type === "image") return [imagePart(block)];
  if (type === "document") return documentParts(block);
  return null;
}

function imagePart(block: Fields): Bag {
  const source = block.inner("source") ?? block.fail("source", "is missing");
  const type = source.text("type");
  block.drop("transformations", "dropped, the other API decides the resolution itself");
  block.end();
  if (type === "url") return { type: "image_url", image_url: { url: source.text("url") ?? source.fail("url", "is missing") } };
  if (type !== "base64") return source.fail("type", `is "${type}", an image that only the first provider has`);
  const mediaType = source.text("media_type") ?? source.fail("media_type", "is missing");
  return { type: "image_url", image_url: { url: `data:${mediaType};base64,${source.text("data") ?? source.fail("data", "is missing")}` } };
}

function documentParts(block: Fields): Bag[] {
  const title = block.text("title");
  const context = block.text("context");
  if (block.inner("citations")?.flag("enabled")) block.fail("citations", "asks for citations, which the other API does not give");
  const source = block.inner("source") ?? block.fail("source", "is missing");
  block.end();
  const type = source.text("type");
  const about = [title, context].filter((text) => text !== undefined && text !== "").join("\n");
  if (type === "text")
    return [{ type: "text", text: `${about === "" ? "" : `${about}\n\n`}${source.text("data") ?? source.fail("data", "is missing")}` }];
  const heading = about === "" ? [] : [{ type: "text", text: about }];
  if (type === "content") {
    const inner = fieldsOfBlocks(source.take("content"), source.at("content"), block.notes);
    return [...heading, ...inner.flatMap((one) => userParts(one, one.text("type") ?? "") ?? one.fail("type", "is not taken there"))];
  }
  if (type !== "base64" || source.text("media_type") !== "application/pdf")
    return source.fail("type", "is a document that the other API does not take");
  const data = source.text("data") ?? source.fail("data", "is missing");
  const file = { filename: title ?? "document.pdf", file_data: `data:application/pdf;base64,${data}` };
  return [...(context === undefined ? [] : [{ type: "text", text: context }]), { type: "file", file }];
}

/** One text as itself, several parts as a list: what a chat message's content is. */
export function contentOf(parts: readonly Bag[]): unknown {
  const only = parts.length === 1 ? parts[0] : undefined;
  return only?.["type"] === "text" ? only["text"] : parts.length === 0 ? "" : parts;
}
