import { unknownModel } from "@slowboat/intake";
import { fault } from "@slowboat/kernel";
import type { ResolvedModel } from "@slowboat/pricing";
import { answersMessages, claudeObject, claudePage } from "../anthropic/models.ts";
import type { AppDeps, Mount } from "../http/env.ts";
import { speaksAnthropic } from "../http/surface.ts";

const modelObject = (name: string, model: ResolvedModel): Record<string, unknown> => ({
  id: name,
  object: "model",
  created: 0,
  owned_by: model.candidates.length > 1 || model.provider === "pool" ? "slowboat" : model.provider,
  endpoints: model.endpoints,
});

/** A model can be asked for where somebody could answer: its provider has a key, or the pool runs. */
const reachable = (deps: AppDeps, model: ResolvedModel): boolean =>
  model.candidates.some(({ provider }) => deps.house.lanes.some((lane) => lane === provider || lane.startsWith(`${provider}-`)));

/** The models of the price book that this installation can reach, in the shape of the API whose client asks. */
export const modelRoutes: Mount = (app, deps) => {
  app.get("/v1/models", (c) => {
    const models = [...deps.book.names].filter(([, model]) => reachable(deps, model));
    if (speaksAnthropic(c))
      return c.json(
        claudePage(
          c,
          models.flatMap(([name, model]) => (answersMessages(model) ? [name] : [])),
        ),
      );
    return c.json({ object: "list", data: models.map(([name, model]) => modelObject(name, model)) });
  });

  app.get("/v1/models/:model", (c) => {
    const name = c.req.param("model");
    const model = deps.book.names.get(name);
    if (speaksAnthropic(c)) {
      if (model && answersMessages(model) && reachable(deps, model)) return c.json(claudeObject(name));
      throw fault("not-found", { param: "model", message: `model: ${name.slice(0, 200)}` });
    }
    if (model && reachable(deps, model)) return c.json(modelObject(name, model));
    if (model)
      throw fault("unknown-model", { param: "model", message: `The model '${name}' is known, but no lane of this installation leads to it.` });
    throw unknownModel(deps.book, name.slice(0, 200), "model");
  });
};
