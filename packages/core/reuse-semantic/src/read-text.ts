/** What the guards and the verifier see in one text. Sets hold stems; lists are sorted, so that equal multisets are equal texts when joined. */
export interface Reading {
  /** Lower case, contractions opened: `can't` is `can not`. */
  readonly words: readonly string[];
  /** Stems of the words that carry meaning. */
  readonly content: ReadonlySet<string>;
  /** Numbers in one spelling (`1,000` and `1000`, `7` and `seven`), with the unit that follows, if it is one. */
  readonly numbers: readonly string[];
  /** Order numbers, addresses, references: words that mix letters and digits, runs of five digits and more, `#12`, e-mail addresses and links. */
  readonly ids: readonly string[];
  /** Months, weekdays, dates and the words that set a time: yesterday, next, currently. */
  readonly dates: readonly string[];
  /** What is set in code: between backticks, with an underscore, a call, a dotted or camel-cased name. */
  readonly code: readonly string[];
  /** Capitalised words that do not begin a sentence, in lower case; empty for texts without small letters or in title case. */
  readonly names: ReadonlySet<string>;
  /** How many words deny. */
  readonly negations: number;
  /** Runs of three letters, word ends marked, as one number each. */
  readonly trigrams: ReadonlySet<number>;
}

const STOP = new Set(
  `a an the this that these those there here it its is are was were be been being am do does did doing done have has had having will would shall should can
could may might must of to in on at by for from with as into onto about than then so and or but if i me we us you he him she they them
what which who whom how please just also too very really quite some any s d m ll re ve t let lets get got want wanna need would like
know tell help hi hello hey thanks thank ok okay well oh yes yeah`.split(/\s+/),
);
const NEGATORS = new Set("not no never none nobody nothing nowhere neither nor without cannot hardly barely scarcely".split(" "));
const NUMBER_WORDS: Readonly<Record<string, string>> = Object.fromEntries(
  "zero _ two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
    .split(" ")
    .map((word, value) => [word, String(value)] as const)
    .concat([
      ["thirty", "30"],
      ["forty", "40"],
      ["fifty", "50"],
      ["sixty", "60"],
      ["seventy", "70"],
      ["eighty", "80"],
      ["ninety", "90"],
      ["hundred", "100"],
      ["thousand", "1000"],
      ["million", "1000000"],
    ])
    .filter(([word]) => word !== "_"),
);
const UNITS: Readonly<Record<string, string>> = Object.fromEntries(
  `second=s seconds=s sec=s secs=s s=s ms=ms minute=min minutes=min min=min mins=min hour=h hours=h hr=h hrs=h h=h day=d days=d week=w weeks=w month=mo months=mo year=y
years=y gram=g grams=g g=g kg=kg kilo=kg kilos=kg kilogram=kg kilograms=kg mg=mg lb=lb lbs=lb pound=lb pounds=lb ounce=oz ounces=oz oz=oz m=m meter=m meters=m metre=m metres=m km=km
kilometer=km kilometers=km kilometre=km kilometres=km mile=mi miles=mi cm=cm mm=mm inch=in inches=in foot=ft feet=ft ft=ft liter=l liters=l litre=l litres=l ml=ml cup=cup cups=cup
gb=gb mb=mb tb=tb kb=kb dollar=usd dollars=usd usd=usd bucks=usd euro=eur euros=eur eur=eur gbp=gbp percent=% degrees=deg degree=deg celsius=degc fahrenheit=degf`
    .split(/\s+/)
    .map((pair) => pair.split("=") as [string, string]),
);
const DATE_WORDS = new Set(
  `january february march april june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec
monday tuesday wednesday thursday friday saturday sunday weekend today tonight tomorrow yesterday
last next upcoming ago christmas easter thanksgiving halloween morning afternoon evening noon midnight
spring summer autumn winter annually yearly monthly weekly daily hourly`.split(/\s+/),
);
/** Other spellings of a date. */
const DATE_SPELLED: Readonly<Record<string, string>> = Object.fromEntries(
  "jan=january feb=february mar=march apr=april jun=june jul=july aug=august sep=september sept=september oct=october nov=november dec=december tonight=today"
    .split(" ")
    .map((pair) => pair.split("=") as [string, string]),
);

const ID = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?:\/\/\S+|#\w+|\b(?=\w*\d)(?=\w*[a-z])\w+(?:-\w+)*\b|\b(?=[\w-]*\d)\w+(?:-\w+)+\b|\b\d{5,}\b/gi;
const CODE =
  /`[^`\n]+`|\b\w+(?:\.\w+)*\(\)?|\b\w*[a-z]_\w+\b|\b[a-z]+(?:[A-Z][a-z0-9]+)+\b|\b[a-z]+(?:\.[a-z]\w+)+\b|(?<=^|\s)--?[a-z][\w-]+(?=\s|$)/g;
const ORDINAL = /^\d+(?:st|nd|rd|th)$/i;
const QUANTITY = /^(\d+)([a-z%]+)$/i;
const WORD = /[\p{L}\p{M}]+|\d+(?:[.,]\d+)*/gu;
const CURRENCY: Readonly<Record<string, string>> = { $: "usd", "€": "eur", "£": "gbp" };

/** Readings kept; a stored question is compared again and again. What is kept changes no answer, only the time it takes. */
const KEPT = 4_096;
const kept = new Map<string, Reading>();

/** Reads a text once for all comparisons. */
export function readText(text: string): Reading {
  const known = kept.get(text);
  if (known !== undefined) return known;
  if (kept.size >= KEPT) kept.clear();
  const reading = read(text);
  kept.set(text, reading);
  return reading;
}

function read(text: string): Reading {
  const plain = text.normalize("NFKC").replace(/[’‘]/g, "'");
  const code = (plain.match(CODE) ?? []).map((span) => span.replace(/[`(]|\)$/g, "").toLowerCase()).filter((span) => span.length > 1);
  const ids = (plain.match(ID) ?? []).map((id) => id.toLowerCase()).filter((id) => !ORDINAL.test(id) && !isQuantity(id));
  const lower = open(plain.toLowerCase());
  const words = lower.match(WORD) ?? [];
  return {
    words,
    content: contentOf(words),
    numbers: numbersOf(lower),
    ids: ids.sort(),
    dates: [...new Set(words.filter((word) => DATE_WORDS.has(word)).map((word) => DATE_SPELLED[word] ?? word))].sort(),
    code: [...new Set(code)].sort(),
    names: namesOf(plain),
    negations: words.reduce((count, word) => count + (NEGATORS.has(word) ? 1 : 0), 0),
    trigrams: trigramsOf(words),
  };
}

const isQuantity = (word: string): boolean => Object.hasOwn(UNITS, QUANTITY.exec(word)?.[2] ?? "-") || /^\d+(?:\.\d+)?(?:am|pm|k|x)$/i.test(word);

/** Contractions opened, so that a denial is a word; the question put behind a statement (", is it?") says nothing and goes. */
const open = (lower: string): string =>
  lower
    .replace(/,\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)(?:n't)? (?:it|he|she|they|you|i|we|that|there)\s*\?\s*$/, "?")
    .replace(/\bcan't\b|\bcannot\b/g, "can not")
    .replace(/\bwon't\b/g, "will not")
    .replace(/\bain't\b/g, "is not")
    .replace(/(\p{L})n't\b/gu, "$1 not")
    .replace(/\b(do|does|did|is|are|was|were|has|have|had|could|would|should)nt\b/g, "$1 not")
    .replace(/'(s|re|ll|ve|d|m)\b/g, " $1");

function contentOf(words: readonly string[]): ReadonlySet<string> {
  const content = new Set<string>();
  for (const word of words) if (!STOP.has(word) && !NEGATORS.has(word) && !/^\d/.test(word)) content.add(stem(word));
  return content;
}

/** A crude stem: plural, -ing, -ed and -ly are cut, a final e goes. Two forms of one word mostly meet; that they are words is not needed. */
export function stem(word: string): string {
  if (word.length <= 3) return word;
  let cut = word;
  if (cut.endsWith("ies") && cut.length > 4) cut = `${cut.slice(0, -3)}y`;
  else if (/(?:ss|x|ch|sh|z)es$/.test(cut)) cut = cut.slice(0, -2);
  else if (cut.endsWith("s") && !/(?:ss|us|is)$/.test(cut)) cut = cut.slice(0, -1);
  if (cut.length > 5 && cut.endsWith("ing")) cut = cut.slice(0, -3);
  else if (cut.length > 4 && cut.endsWith("ed") && !cut.endsWith("eed")) cut = cut.slice(0, -2);
  else if (cut.length > 5 && cut.endsWith("ly")) cut = cut.slice(0, -2);
  if (cut.length > 3 && /([^aeiouls])\1$/.test(cut)) cut = cut.slice(0, -1);
  return cut.length > 3 && cut.endsWith("e") ? cut.slice(0, -1) : cut;
}

function trigramsOf(words: readonly string[]): ReadonlySet<number> {
  const found = new Set<number>();
  const line = ` ${words.join(" ")} `;
  for (let at = 0; at + 3 <= line.length; at++)
    found.add(((line.charCodeAt(at) & 0x3ff) << 20) | ((line.charCodeAt(at + 1) & 0x3ff) << 10) | (line.charCodeAt(at + 2) & 0x3ff));
  return found;
}

/** The mark of a list's item is no number of the question's. */
const LIST_MARK = /(?:^|[\s(])\(?\d{1,2}[.)](?=\s)/g;

function numbersOf(lower: string): string[] {
  const found: string[] = [];
  const tokens = lower.replace(LIST_MARK, " ").match(/[$€£]|\d+(?:[.,]\d+)*(?=\D|$)|\p{L}+|%/gu) ?? [];
  tokens.forEach((token, at) => {
    const value = /^\d/.test(token) ? token.replace(/,(?=\d{3}(?:\D|$))/g, "").replace(/\.0+$/, "") : NUMBER_WORDS[token];
    if (value === undefined) return;
    const before = CURRENCY[tokens[at - 1] ?? ""];
    const after = tokens[at + 1] ?? "";
    const unit = before ?? (after === "%" ? "%" : after === "am" || after === "pm" ? after : (UNITS[after] ?? ""));
    found.push(`${value}${unit}`);
  });
  return found.sort();
}

function namesOf(plain: string): ReadonlySet<string> {
  const names = new Set<string>();
  let words = 0;
  let capital = 0;
  let end = 0;
  for (const { 0: word, index } of plain.matchAll(/\p{L}[\p{L}\d]*/gu)) {
    words++;
    const before = plain.slice(end, index);
    end = index + word.length;
    const first = word.charCodeAt(0);
    if (first < 128 ? first > 90 : word === word.toLowerCase()) continue;
    capital++;
    if (words > 1 && word !== "I" && word.length > 1 && !/[.!?:"\u201c\n]/.test(before)) names.add(word.toLowerCase());
  }
  return words > 3 && capital > words * 0.6 ? new Set() : names;
}
