import { LIMITS } from "@slowboat/kernel";
import { Ended, EXIT } from "../exit.ts";

/** All of stdin, as far as a batch may reach. */
export async function readAll(stream: NodeJS.ReadStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += (chunk as Buffer).length;
    if (size > LIMITS.batchFileBytes) throw new Ended(EXIT.usage, `stdin has more than ${LIMITS.batchFileBytes} bytes.`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** A text as a JSON object; `null` where it is none. */
export function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
