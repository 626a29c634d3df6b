/** An equation that an answer states: what its left side comes to, and what the answer says. */
export interface Equation {
  readonly computed: number;
  readonly stated: number;
}

/** How far back from an equals sign a left side may begin. */
const REACH = 120;
const MOST_EQUATIONS = 200;
const TOLERANCE = 0.01;

const NUMBER = /^\s*\$?\s*(-?\d[\d,]*(?:\.\d+)?|-?\.\d+)\s*(%?)/;
const UNKNOWN = /(?<![A-Za-z])[B-HJ-Zb-z](?![A-Za-z'])/;
const WORD = /[A-Za-z][A-Za-z'.]*|["';:?!#&_|\\{}[\]~`^]/g;

/** Whether an equation holds to one part in a hundred. */
export const holds = ({ computed, stated }: Equation): boolean => Math.abs(computed - stated) <= TOLERANCE * Math.max(1, Math.abs(computed));

/** Finds the equations of an answer and computes their left sides by a parser of its own; what cannot be parsed is left out. */
export function equationsOf(answer: string): Equation[] {
  const found: Equation[] = [];
  const text = answer
    .replace(/[×·]|\\\*|\\times/g, "*")
    .replace(/÷/g, "/")
    .replace(/[−–]/g, "-");
  for (let at = text.indexOf("="); at >= 0 && found.length < MOST_EQUATIONS; at = text.indexOf("=", at + 1)) {
    const right = NUMBER.exec(text.slice(at + 1, at + 40));
    if (right === null) continue;
    // "= 3 * 4" goes on: what stands between two signs is the next equation's left side.
    if (/^\s*[*/+]|^\s*-\s*\d|^\s*x\s*\d/.test(text.slice(at + 1 + right[0].length, at + 8 + right[0].length))) continue;
    const line = text.slice(Math.max(0, at - REACH), at);
    const clause = line.slice(Math.max(line.lastIndexOf("\n"), line.lastIndexOf("="), line.lastIndexOf(">>") + 1, line.lastIndexOf("<<") + 1) + 1);
    const computed = computeEnd(clause);
    if (computed !== null) found.push({ computed, stated: numberOf(right[1]!) / (right[2] === "%" && Math.abs(computed) <= 1 ? 100 : 1) });
  }
  return found;
}

/** A number as it is written, with or without thousands separators. */
export const numberOf = (written: string): number => Number(written.replace(/[,$\s]/g, ""));

/** The value of the longest end of a clause that is an expression with at least one operation; words (units, say) are passed over, a single letter is an unknown. */
function computeEnd(clause: string): number | null {
  const multiplied = clause.replace(/(\d\)?)\s*[xX]\s*(?=[\d$(])/g, "$1*");
  if (UNKNOWN.test(multiplied)) return null;
  const spaced = multiplied.replace(WORD, " ");
  const starts = [...spaced.matchAll(/[\d.($]|-(?=[\d($])/g)].map(({ index }) => index).slice(-40);
  for (const start of starts) {
    const before = spaced[start - 1];
    if (before !== undefined && /[\d.,]/.test(before)) continue;
    const value = compute(spaced.slice(start));
    if (value !== null) return value;
  }
  return null;
}

/** Evaluates + - * / with brackets, dollar signs, thousands separators and percents; `null` for anything else, and for a bare number. */
export function compute(expression: string): number | null {
  const tokens = tokensOf(expression);
  if (tokens === null || !tokens.some((token, i) => i > 0 && typeof token === "string" && "+-*/".includes(token))) return null;
  let at = 0;
  let depth = 0;
  const product = (): number => {
    let value = factor();
    while (tokens[at] === "*" || tokens[at] === "/") value = tokens[at++] === "*" ? value * factor() : value / factor();
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") value = tokens[at++] === "+" ? value + product() : value - product();
    return value;
  };
  const factor = (): number => {
    const token = tokens[at++];
    if (typeof token === "number") return token;
    if (token === "-") return -factor();
    if (token !== "(" || ++depth > 20) return Number.NaN;
    const value = sum();
    depth--;
    return tokens[at++] === ")" ? value : Number.NaN;
  };
  const value = sum();
  return at === tokens.length && Number.isFinite(value) ? value : null;
}

function tokensOf(expression: string): (number | string)[] | null {
  const tokens: (number | string)[] = [];
  const pattern = /\s*(?:\$?\s*(\d[\d,]*(?:\.\d+)?|\.\d+)(\s*%)?|([-+*/()]))\s*/y;
  while (pattern.lastIndex < expression.length) {
    const match = pattern.exec(expression);
    if (match === null || tokens.length > 60) return null;
    if (match[1] === undefined) tokens.push(match[3]!);
    else tokens.push(numberOf(match[1]) / (match[2] === undefined ? 1 : 100));
  }
  return tokens;
}
