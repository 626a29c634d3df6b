import { withOwnLanes } from "@slowboat/lanes";
import type { LanesVerdict } from "./check-settings.ts";

/** Tries a module of one's own lanes in this process: `try-lanes.ts PATH emulated|real`; tells its parent why it cannot be used, or that it can. */
async function refusal(path: string, emulated: boolean): Promise<string | null> {
  try {
    await withOwnLanes(new Map(), path, { emulated });
    return null;
  } catch (error) {
    const [first = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return first.endsWith(".") ? first : `${first}.`;
  }
}

const [path = "", kind] = process.argv.slice(2);
const verdict: LanesVerdict = { refused: await refusal(path, kind === "emulated") };
process.send?.(verdict, () => process.exit());
