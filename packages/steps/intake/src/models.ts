import type { Endpoint } from "@slowboat/contract";
import { fault } from "@slowboat/kernel";
import { nearestModels, type PriceBook, type ResolvedModel, resolveModel } from "@slowboat/pricing";

/** A model that a request may run on: what the book says, or an unpriced one that the tenant allows. */
export type ChosenModel = ResolvedModel & { readonly priced: boolean };

/** Long names and control characters are nobody's model; they are refused before they reach a message or a row. */
const NAME = /^[\x21-\x7e]{1,200}$/;

/**
 * Finds the model of a request for an endpoint. An unknown name is a fault that names the nearest known ones, unless the tenant allows
 * unpriced models: then the endpoint says whose model it is. A known model on a wrong endpoint is a fault either way.
 */
export function chooseModel(
  book: PriceBook,
  input: { readonly name: unknown; readonly endpoint: Endpoint; readonly allowUnpriced: boolean; readonly param: string },
): ChosenModel {
  const { name, endpoint, param } = input;
  if (name === undefined) throw fault("missing-parameter", { param, message: "Missing required parameter: 'model'." });
  if (typeof name !== "string" || !NAME.test(name)) throw fault("invalid-request", { param, message: "'model' must be the name of a model." });
  const known = resolveModel(book, name);
  if (known) {
    if (!known.endpoints.includes(endpoint)) {
      throw fault("invalid-request", {
        param,
        message: `The model '${name}' cannot be used with ${endpoint}; it serves ${known.endpoints.join(", ")}.`,
      });
    }
    return { ...known, priced: true };
  }
  const provider = endpoint === "/v1/messages" ? "anthropic" : "openai";
  if (!input.allowUnpriced || endpoint === "/v1/classifications") throw unknownModel(book, name, param);
  return { provider, model: name, baselineModel: name, candidates: [{ provider, model: name }], endpoints: [endpoint], priced: false };
}

/** The fault for a name that the price book does not know; says which known names are nearest. */
export function unknownModel(book: PriceBook, name: string, param: string): Error {
  const near = nearestModels(book, name, 3);
  return fault("unknown-model", {
    param,
    message: `The model '${name}' does not exist or has no price. Did you mean ${near.map((one) => `'${one}'`).join(", ")}?`,
  });
}
