import { seededRng } from "@slowboat/kernel";
import { contextDigest, decideReuse, type Neighbour, type ReuseState, standaloneText } from "@slowboat/reuse-semantic";
import type { FollowUp } from "./read-reuse.ts";
import { cosine, type VectorOf } from "./vectors.ts";

/** What follow-ups met that were asked in another conversation than their own. */
export interface FollowUpTally {
  readonly asked: number;
  /** Answers taken from another conversation by our policy. */
  readonly crossContextHits: number;
  /** Those that cannot be understood alone and are not looked up at all. */
  readonly skipped: number;
  /** The same with the last turn alone as the question, as GPTCache has it by default, at its threshold. */
  readonly lastTurnAloneHits: number;
}

/** GPTCache's default threshold. */
const PEER_THRESHOLD = 0.8;

/** A follow-up that leans on its context, under two contexts that give it two answers: which two is left to whoever reads it. */
const ANAPHORIC: readonly (readonly [string, string, string])[] = [
  ["Who is the CEO of the largest phone maker?", "Who is the CEO of the largest car maker?", "How old is he?"],
  ["What is the capital of Portugal?", "What is the capital of Finland?", "How many people live there?"],
  ["Recommend a novel by a Japanese author.", "Recommend a novel by a Brazilian author.", "Who translated it into English?"],
  ["What does the starter plan include?", "What does the enterprise plan include?", "How much does it cost?"],
  ["How do I install the desktop app?", "How do I install the browser extension?", "And how do I remove it again?"],
  ["Tell me about the Apollo programme.", "Tell me about the Concorde.", "When did that end?"],
  ["Which vaccine is given at birth?", "Which vaccine is given before travelling to the tropics?", "Does it have side effects?"],
  ["What is the tallest building in Chicago?", "What is the tallest building in Dubai?", "What about the second tallest?"],
  ["Explain recursion.", "Explain dynamic programming.", "Give me an example."],
  ["Translate the first sentence.", "Translate the second sentence.", "Make it shorter."],
  ["Who founded the Red Cross?", "Who founded the Scouts?", "Where was he born?"],
  ["What is the warranty on the kettle?", "What is the warranty on the toaster?", "Is that the same for used ones?"],
  ["Which rivers flow through Vienna?", "Which rivers flow through Cairo?", "Which one is longer?"],
  ["What is the deadline for the grant?", "What is the deadline for the visa?", "What happens if I miss it?"],
  ["List the planets by size.", "List the continents by size.", "Now the other way round."],
  ["What is a monad?", "What is a closure?", "Why?"],
];

/** Our own traps as conversations: each follow-up under both contexts, so that each is asked after the other. */
const traps = (): FollowUp[] =>
  ANAPHORIC.flatMap(([one, other, text]) => [
    { context: [one, `Here is the answer to that: ${one}`] as const, text },
    { context: [other, `Here is the answer to that: ${other}`] as const, text },
  ]);

export const textsOfFollowUps = (rows: readonly FollowUp[]): string[] => [...rows, ...traps()].map(({ text }) => text);

const bodyOf = ({ context: [question, answer], text }: FollowUp): Readonly<Record<string, unknown>> => ({
  temperature: 0,
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: answer },
    { role: "user", content: text },
  ],
});

/**
 * Every follow-up is answered in its own conversation and kept; then each is asked in every other conversation of its list, where no kept answer is right. `state` has learned enough to
 * be willing: with a cold one there would be nothing to see.
 */
export function askFollowUps(rows: readonly FollowUp[], state: ReuseState, allowedError: number, vectorOf: VectorOf, seed: number): FollowUpTally {
  const tally = { asked: 0, crossContextHits: 0, skipped: 0, lastTurnAloneHits: 0 };
  const rng = seededRng(seed);
  for (const list of [rows, traps()]) {
    const kept = list.map((row, no) => ({ no, text: row.text, namespace: contextDigest("/v1/chat/completions", bodyOf(row)) }));
    list.forEach((row, no) => {
      list.forEach((elsewhere, other) => {
        if (other === no || same(row, elsewhere)) return;
        const body = bodyOf({ context: elsewhere.context, text: row.text });
        tally.asked++;
        const similarityTo = (text: string): number => cosine(vectorOf(row.text), vectorOf(text));
        if (similarityTo(row.text) >= PEER_THRESHOLD) tally.lastTurnAloneHits++;
        const question = standaloneText("/v1/chat/completions", body);
        if ("skip" in question) {
          tally.skipped++;
          return;
        }
        const namespace = contextDigest("/v1/chat/completions", body);
        const neighbours = kept
          .filter((entry) => entry.namespace === namespace)
          .map(
            (entry): Neighbour => ({
              id: String(entry.no),
              text: entry.text,
              similarity: similarityTo(entry.text),
              answerKey: String(entry.no),
              ageMs: 0,
              hits: 0,
            }),
          )
          .sort((a, b) => b.similarity - a.similarity);
        const decision = decideReuse(state, { text: question.text, neighbours, allowedError }, rng);
        // An entry of the conversation in which it is now asked is no other conversation's, and its text differs.
        if (decision.kind === "reuse" && Number(decision.id) !== other) tally.crossContextHits++;
      });
    });
  }
  return tally;
}

const same = (a: FollowUp, b: FollowUp): boolean => a.context[0] === b.context[0] && a.context[1] === b.context[1];
