import { fault } from "@slowboat/kernel";
import type { MiddlewareHandler } from "hono";
import type { BodyBudget } from "./body-budget.ts";
import type { AppEnv } from "./env.ts";

/**
 * What holds for every body: it comes as it is, since nothing here unpacks one, and it has a share of the process's budget until its
 * answer has left.
 */
export const bodyRules =
  (budget: BodyBudget): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    const coding = c.req.header("content-encoding")?.trim().toLowerCase();
    if (coding !== undefined && coding !== "" && coding !== "identity") {
      c.header("accept-encoding", "identity");
      throw fault("unsupported-encoding", {
        param: "Content-Encoding",
        message: `A request body coded as '${coding.slice(0, 32)}' is not understood; send it as it is.`,
      });
    }
    const share = budget.open();
    c.env.outgoing.once("close", share.close);
    c.set("body", share);
    await next();
  };
