import type { Mount } from "../http/env.ts";
import { batchRoutes } from "./batches.ts";
import { fileRoutes } from "./files.ts";
import { modelRoutes } from "./models.ts";

/** The OpenAI-compatible API but for its interactive calls. */
export const openaiRoutes: Mount = (app, deps) => {
  for (const mount of [fileRoutes, batchRoutes, modelRoutes]) mount(app, deps);
};
