import { hash } from "node:crypto";
import { type Rng, seededRng } from "@slowboat/kernel";

/** SHA-1 of the text in hex: a name for a text, not a secret. */
export const digest = (text: string): string => hash("sha1", text, "hex");

/** Dice that depend on the seed and the keys only: the same request throws the same dice whenever it is asked. */
export const diceOf = (seed: number, ...keys: readonly (string | number)[]): Rng =>
  seededRng(Number.parseInt(digest(`${seed}|${keys.join("|")}`).slice(0, 8), 16));

/** A standard normal draw (Box and Muller, 1958). */
function normal(rng: Rng): number {
  const u = Math.max(rng.float(), 1e-12);
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * rng.float());
}

/** A log-normal draw with the given median and sigma of the logarithm. */
export const logNormal = (rng: Rng, median: number, sigma: number): number => median * Math.exp(sigma * normal(rng));

/** The dice of all batches that reach a provider within one slot of time. */
export const slotDice = (seed: number, provider: "openai" | "anthropic", atMs: number, slotMs: number): Rng =>
  diceOf(seed, "plan", provider, Math.floor(atMs / slotMs));
