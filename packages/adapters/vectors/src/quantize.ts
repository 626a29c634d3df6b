/** A vector in eight bits: `value ≈ code · scale`. */
export interface Codes {
  readonly codes: Int8Array;
  readonly scale: number;
}

/** Largest code; -128 is left out, so that a vector and its negative have the same codes but for the sign. */
const CODE_MAX = 127;

/** A vector's codes, with a scale of its own: the components of a sentence vector differ in size from text to text. */
export function quantize(vector: Float32Array): Codes {
  let largest = 0;
  for (const value of vector) largest = Math.max(largest, Math.abs(value));
  const scale = largest / CODE_MAX || 1;
  const codes = new Int8Array(vector.length);
  for (let i = 0; i < codes.length; i++) codes[i] = Math.round((vector[i] ?? 0) / scale);
  return { codes, scale };
}

/** What codes are multiplied by to have unit length: what is compared is the direction alone, and a vector is exactly like itself. */
export function unitScale(codes: Int8Array): number {
  let sum = 0;
  for (let i = 0; i < codes.length; i++) sum += (codes[i] as number) ** 2;
  return sum === 0 ? 0 : 1 / Math.sqrt(sum);
}
