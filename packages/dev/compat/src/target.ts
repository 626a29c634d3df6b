import Anthropic1 from "@anthropic-ai/sdk";
import type { FaultRule } from "@slowboat/emulator";
import Anthropic0 from "anthropic0";
import OpenAI7 from "openai";
import OpenAI6 from "openai6";
import { createWitness, type Witness } from "./witness.ts";

/** An API that the suite runs against. */
export interface Target {
  readonly name: "slowboat" | "emulator";
  /** The origin. */
  readonly url: string;
  readonly key: string;
  readonly witness: Witness;
  /** Job ms in a machine ms of the target's callers. */
  readonly scale: number;
  /** Lets job time pass until `done` holds. */
  passUntil(done: () => Promise<boolean>, what: string): Promise<void>;
  /** Scripts what goes wrong at the provider. */
  faults(...rules: FaultRule[]): void;
  /** Forgets what was scripted and has not happened. */
  calm(): Promise<void>;
  /** How many synchronous answers the provider has charged for so far. */
  charges(): Promise<number>;
  stop(): Promise<void>;
}

/** The clients, by the version that is meant. The older ones have the same surface; their nominal types differ. */
export const OPENAI = {
  "openai 6": OpenAI6 as unknown as typeof OpenAI7,
  "openai 7": OpenAI7,
} as const;
export const ANTHROPIC = {
  "anthropic 0": Anthropic0 as unknown as typeof Anthropic1,
  "anthropic 1": Anthropic1,
} as const;

export type OpenAiVersion = keyof typeof OPENAI;
export type AnthropicVersion = keyof typeof ANTHROPIC;

type OpenAiOptions = NonNullable<ConstructorParameters<typeof OpenAI7>[0]>;
type AnthropicOptions = NonNullable<ConstructorParameters<typeof Anthropic1>[0]>;

/** A client of `version` for the target, without retries and under the witness's eyes unless told otherwise. */
export const openAiOf = (target: Target, version: OpenAiVersion, options: OpenAiOptions = {}): OpenAI7 =>
  new OPENAI[version]({ apiKey: target.key, baseURL: `${target.url}/v1`, maxRetries: 0, logLevel: "off", fetch: target.witness.fetch, ...options });

export const anthropicOf = (target: Target, version: AnthropicVersion, options: AnthropicOptions = {}): Anthropic1 =>
  new ANTHROPIC[version]({ apiKey: target.key, baseURL: target.url, maxRetries: 0, logLevel: "off", fetch: target.witness.fetch, ...options });

export const witnessOf = (name: Target["name"]): Witness => createWitness(name === "slowboat");

/** What a call threw; fails when it did not. */
export async function thrown(call: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const outcome = await call.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("value" in outcome) throw new Error(`nothing was thrown, but given: ${JSON.stringify(outcome.value).slice(0, 300)}`);
  return outcome.error as Error & Record<string, unknown>;
}
