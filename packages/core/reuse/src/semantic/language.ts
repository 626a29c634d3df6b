/** Words that are frequent in a language and rare in the others. */
const COMMON: Readonly<Record<string, readonly string[]>> = {
  en: "the is are of and what how do does my your can i to in it for you please with when why which who".split(" "),
  de: "der die das ist und wie ich nicht ein eine mein bitte kann wann warum was für mit auf wer".split(" "),
  fr: "le la les est et comment je ne pas un une mon ma puis quand pourquoi quel quelle avec sur vous des".split(" "),
  es: "el la los las es y cómo no un una mi puedo cuándo por qué cuál con para usted del".split(" "),
  it: "il lo gli è e come non un una mio posso quando perché quale con per che della sono".split(" "),
  pt: "o os as é e como não um uma meu minha posso quando por qual com para você do da".split(" "),
  nl: "de het een is en hoe ik niet mijn kan wanneer waarom wat welke met voor op van".split(" "),
};
const SCRIPTS = ["Latin", "Cyrillic", "Greek", "Han", "Hangul", "Arabic", "Hebrew", "Devanagari", "Thai"] as const;
const OF_SCRIPT = SCRIPTS.map((script) => ({ script, letters: new RegExp(`\\p{Script=${script}}`, "gu") }));
const KANA = /[\p{Script=Hiragana}\p{Script=Katakana}]/u;
const READ_CHARS = 2_000;
/** One common word alone may be any language's. */
const VOTES_LEAST = 2;
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant.
const ASCII = /^[\x00-\x7f]*$/;

/**
 * A question's language, coarsely: the script that most of its letters have, and among those in Latin script the language whose common words it
 * has most of. English where none speaks. It divides what is kept; a text that is taken for another language's finds nothing.
 */
export function languageOf(text: string): string {
  const read = text.slice(0, READ_CHARS);
  if (KANA.test(read)) return "Japanese";
  let script: string = "Latin";
  let most = 0;
  for (const one of ASCII.test(read) ? [] : OF_SCRIPT) {
    const count = read.match(one.letters)?.length ?? 0;
    if (count > most) [script, most] = [one.script, count];
  }
  if (script !== "Latin") return script;
  const words = new Set(read.toLowerCase().match(/\p{L}+/gu) ?? []);
  let language = "en";
  let votes = votesFor(words, COMMON["en"] ?? []);
  for (const [name, common] of Object.entries(COMMON)) {
    const count = votesFor(words, common);
    if (count >= VOTES_LEAST && count > votes) [language, votes] = [name, count];
  }
  return language;
}

const votesFor = (words: ReadonlySet<string>, common: readonly string[]): number => common.reduce((sum, word) => sum + (words.has(word) ? 1 : 0), 0);
