import { diceOf } from "./dice.ts";

/** How much of a prompt is read for an answer: enough for a plausible one, bounded for speed. */
const READ_CHARS = 24_000;

const STOP = new Set(
  "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its just like may me more most my no not of on one only or other our out over she should so some such than that the their them then there these they this to up us use used using was we were what when which who will with would you your".split(
    " ",
  ),
);

/** Markdown to prose: code fences, badges, tables, headings and list marks go, link texts stay. */
function prose(text: string): string[] {
  const bare = text
    .replace(/```[\s\S]*?(```|$)/g, "\n\n")
    .replace(/<!--[\s\S]*?-->/g, " ")
    .replace(/!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])/g, " ")
    .replace(/\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])/g, "$1")
    .replace(/<\/?[a-zA-Z][^>\n]*>/g, " ")
    .replace(/`([^`\n]*)`/g, "$1");
  const paragraphs: string[] = [];
  for (const part of bare.split(/\n\s*\n/)) {
    const lines = part.split("\n").filter((line) => !/^\s*(#|\||[=\-*_]{3,}\s*$|\[[^\]]+\]:)/.test(line));
    const joined = lines
      .map((line) => line.replace(/^\s*([*+-]|\d+[.)]|>)\s+/, ""))
      .join(" ")
      .replace(/[*_]{2}/g, "")
      .replace(/\s+/g, " ")
      .trim();
    if (joined.length >= 20) paragraphs.push(joined);
  }
  return paragraphs;
}

const sentencesOf = (paragraph: string): string[] =>
  (paragraph.match(/[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*(?:[.!?]+|$)/g) ?? []).map((s) => s.trim()).filter((s) => s.length >= 25 && /\p{L}{3}/u.test(s));

const NUMBERS: Record<string, number> = { one: 1, a: 1, two: 2, three: 3, four: 4, five: 5, six: 6 };

/** "in two sentences" → 2; null when the instruction names no number. */
function askedSentences(instruction: string): number | null {
  const match = /\b(one|a|two|three|four|five|six|[1-9])(?:[- ](?:short|brief|single|plain|concise|clear))*[- ]sentences?\b/i.exec(instruction);
  const word = match?.[1]?.toLowerCase();
  return word === undefined ? null : (NUMBERS[word] ?? Number(word));
}

/**
 * A plausible answer made from the prompt alone: the sentences of the material that hold its most frequent words, the first one
 * always, in their order. The same prompt and seed give the same text; another `choice` (n > 1) may pick another count.
 */
export function answerText(seed: number, instruction: string, material: string, choice: number): string {
  const read = material.slice(0, READ_CHARS);
  const paragraphs = prose(read);
  const body =
    paragraphs.length > 1 && /\b(summar|describe|explain|tl;?dr|classif|extract|translate|rewrite)/i.test(paragraphs[0] ?? "")
      ? paragraphs.slice(1)
      : paragraphs;
  const sentences = body.flatMap(sentencesOf).slice(0, 200);
  const rng = diceOf(seed, "length", instruction.slice(0, 500), read.slice(0, 2_000), choice);
  const wanted = askedSentences(`${instruction}\n${read.slice(0, 600)}`) ?? 2 + Math.floor(rng.float() * 2);
  if (sentences.length === 0) {
    const words = read.replace(/\s+/g, " ").trim();
    return words === "" ? "There is no text to answer." : `In short: ${words.slice(0, 240)}`;
  }
  const picked = rank(sentences).slice(0, Math.max(0, wanted - 1));
  const chosen = [0, ...picked.filter((index) => index !== 0)].slice(0, wanted).sort((a, b) => a - b);
  return chosen.map((index) => clip(sentences[index] ?? "")).join(" ");
}

/** Sentence indexes, best first, by the mean frequency of their words (Luhn, 1958). */
function rank(sentences: readonly string[]): number[] {
  const words = sentences.map((s) => (s.toLowerCase().match(/\p{L}{3,}/gu) ?? []).filter((w) => !STOP.has(w)));
  const frequency = new Map<string, number>();
  for (const list of words) for (const word of list) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const score = words.map((list) => (list.length < 4 ? 0 : list.reduce((sum, w) => sum + (frequency.get(w) ?? 0), 0) / (list.length + 3)));
  return sentences.map((_, i) => i).sort((a, b) => (score[b] ?? 0) - (score[a] ?? 0) || a - b);
}

const clip = (sentence: string): string => {
  const short =
    sentence.length <= 300 ? sentence : `${sentence.slice(0, sentence.lastIndexOf(" ", 300) > 0 ? sentence.lastIndexOf(" ", 300) : 300)}…`;
  return /[.!?…]$/.test(short) ? short : `${short}.`;
};
