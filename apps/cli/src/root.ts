import { fileURLToPath } from "node:url";

/** The checkout: where the other apps and the data folder of the default lie. */
export const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
