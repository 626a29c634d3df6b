import { Fields, type Notes, Untranslatable } from "./fields.ts";
import { asText, type Bag } from "./json.ts";

const CACHE_MARK = "dropped, cache breakpoints are set anew for the model that answers";
const IMAGE_TYPES = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

/** A text block, or none for text that Anthropic refuses: empty or white space only. */
export function textBlocks(text: string, path: string, notes: Notes): Bag[] {
  if (text.trim() !== "") return [{ type: "text", text }];
  notes.add(path, "dropped, the other API refuses text without a visible character");
  return [];
}

/** The content of a chat message as Anthropic blocks. `where` names the kinds of parts that may stand there. */
export function blocksOf(content: unknown, path: string, notes: Notes, where: "user" | "text"): Bag[] {
  if (content === undefined) return [];
  const whole = asText(content);
  if (whole !== null) return textBlocks(whole, path, notes);
  if (!Array.isArray(content)) throw new Untranslatable(path, "is neither text nor an array of parts");
  return content.flatMap((part, i) => partBlocks(new Fields(part, `${path}[${i}]`, notes), where));
}

function partBlocks(part: Fields, where: "user" | "text"): Bag[] {
  const type = part.text("type") ?? "text";
  part.drop("prompt_cache_breakpoint", CACHE_MARK);
  const blocks = type === "text" || type === "refusal" ? textPart(part, type) : where === "user" ? mediaPart(part, type) : null;
  if (blocks === null) return part.fail("type", `is "${type}", which the other API does not take there`);
  part.end();
  return blocks;
}

function textPart(part: Fields, type: "text" | "refusal"): Bag[] {
  if (type === "refusal") part.note("refusal", "kept as text");
  return textBlocks(part.text(type) ?? part.fail(type, "is missing"), part.at(type), part.notes);
}

function mediaPart(part: Fields, type: string): Bag[] | null {
  if (type === "image_url") return [imageBlock(part.inner("image_url") ?? part.fail("image_url", "is missing"))];
  if (type === "file") return [documentBlock(part.inner("file") ?? part.fail("file", "is missing"))];
  return null;
}

/** `data:` URL parts; `null` for any other URL and for data that is not base64. */
function dataUrl(url: string): { readonly mediaType: string; readonly data: string } | null {
  const match = /^data:([^;,]+)(?:;[^;,]+)*;base64,/i.exec(url);
  return match ? { mediaType: (match[1] ?? "").toLowerCase(), data: url.slice(match[0].length) } : null;
}

function imageBlock(image: Fields): Bag {
  const url = image.text("url") ?? image.fail("url", "is missing");
  image.drop("detail", "dropped, the other API decides the resolution itself");
  image.end();
  if (/^https:\/\//i.test(url)) return { type: "image", source: { type: "url", url } };
  const parts = dataUrl(url);
  if (!parts) return image.fail("url", "is neither an https URL nor base64 data");
  const mediaType = parts.mediaType === "image/jpg" ? "image/jpeg" : parts.mediaType;
  if (!IMAGE_TYPES.has(mediaType)) return image.fail("url", `is of the type ${mediaType}, which the other API does not take`);
  return { type: "image", source: { type: "base64", media_type: mediaType, data: parts.data } };
}

function documentBlock(file: Fields): Bag {
  file.refuse("file_id", "names a file that only the first provider has");
  const parts = dataUrl(file.text("file_data") ?? file.fail("file_data", "is missing"));
  if (parts?.mediaType !== "application/pdf") return file.fail("file_data", "is no base64 PDF");
  const title = file.text("filename");
  file.end();
  return {
    type: "document",
    source: { type: "base64", media_type: "application/pdf", data: parts.data },
    ...(title === undefined ? {} : { title }),
  };
}
