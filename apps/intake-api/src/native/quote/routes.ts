import { createQuote, QUOTE_REQUESTS_MAX } from "@slowboat/intake";
import type { Mount } from "../../http/env.ts";
import { quoteObject } from "./quote-object.ts";
import { readQuote } from "./read-quote.ts";

/** `POST /v1/quote`: what work would cost and when it would be done. Nothing is stored and nothing spent. */
export const quoteRoutes: Mount = (app, deps) => {
  app.post("/v1/quote", async (c) => {
    const { requests, terms } = await readQuote(deps, c);
    const quoted = await createQuote(deps, c.get("caller"), requests, {
      nowMs: terms.nowMs,
      most: QUOTE_REQUESTS_MAX,
      signal: c.req.raw.signal,
    });
    const { lines, errors, total } = quoted;
    deps.logger.info(
      { tenantId: c.get("caller").tenantId, requests: lines, errors: errors.length, expectedNano: total.expected.toString() },
      "work-quoted",
    );
    return c.json(quoteObject(quoted, { emulated: deps.house.emulated, asked: terms.admission }));
  });
};
