import type { Endpoint } from "@slowboat/contract";
import { answerText, compareAnswers, sameMeaning } from "@slowboat/reuse";
import { readPairAnswers, type Sql, stepPair } from "@slowboat/store";
import { askAll, errandOf } from "./ask-shadows.ts";
import type { PairDeps } from "./deps.ts";
import { type JudgeAsk, judgeAsk, readVerdict } from "./judge-prompt.ts";
import { type CandidateAnswer, type Pair, parsed } from "./pair.ts";
import type { Relation, Relations } from "./relations.ts";

/** What grading came to: all relations, a judge that was asked for some, or why nothing can be said now (`unsure`) or ever (`dropped`). */
export type Graded =
  | { readonly kind: "graded"; readonly relations: Relations }
  | { readonly kind: "judging" }
  | { readonly kind: "unsure"; readonly why: string }
  | { readonly kind: "dropped"; readonly why: string };

const dropped = (why: string): Graded => ({ kind: "dropped", why });

/**
 * Compares the answers of a pair whose candidates have all been asked: what is written alike is the same, JSON and a few words differ or do not; prose goes to
 * the alias's judge, or without one to its vectors.
 */
export async function gradePair(deps: PairDeps, tx: Sql, pair: Pair, answers: ReadonlyMap<string, CandidateAnswer>): Promise<Graded> {
  const { models, baseline, row } = pair;
  const silent = models.find((name) => !answers.has(name));
  if (silent !== undefined) return dropped(`${silent} did not answer, or its answer is no longer kept`);
  const measure = answers.get(baseline)?.text ?? null;
  if (measure === null) return dropped("the baseline's answer says nothing in words");
  const given = models.find((name) => answers.get(name)?.given) ?? null;
  const of: Record<string, Relation> = {};
  const unsure: { readonly name: string; readonly text: string }[] = [];
  for (const name of models.filter((one) => one !== baseline)) {
    const text = answers.get(name)?.text ?? null;
    const relation = text === null ? NOTHING_SAID : await compared(deps, measure, text, row.judge !== null);
    if (relation !== "unsure") of[name] = relation;
    else if (text !== null) unsure.push({ name, text });
  }
  if (unsure.length === 0) return { kind: "graded", relations: { given, of } };
  if (row.judge === null) return { kind: "unsure", why: "the answers are prose, and there is neither a judge nor an encoder to compare them" };
  return await askJudge(deps, tx, { pair, judge: row.judge, measure, unsure, relations: { given, of } });
}

const NOTHING_SAID: Relation = { to: "worse", by: "structure" };

async function compared(deps: PairDeps, measure: string, text: string, judged: boolean): Promise<Relation | "unsure"> {
  const plainly = compareAnswers(measure, text);
  if (plainly !== null && (plainly.by !== "meaning" || !judged)) return { to: plainly.same ? "same" : "different", by: plainly.by };
  if (judged) return "unsure";
  const cosine = await deps.cosine(measure, text);
  return cosine === null ? "unsure" : { to: sameMeaning(cosine).same ? "same" : "different", by: "meaning" };
}

interface Unjudged {
  readonly pair: Pair;
  readonly judge: string;
  readonly measure: string;
  readonly unsure: readonly { readonly name: string; readonly text: string }[];
  readonly relations: Relations;
}

/** What was asked of a judge about a candidate; kept with the pair as JSON. */
interface AskedJudge {
  readonly jobId: string;
  readonly swapped: boolean;
}

async function askJudge(deps: PairDeps, tx: Sql, { pair, judge, measure, unsure, relations }: Unjudged): Promise<Graded> {
  const asks: JudgeAsk[] = [];
  for (const { text } of unsure) {
    const ask = judgeAsk(deps.book, judge, { value: pair.value, baseline: measure, other: text }, deps.rng);
    if (ask === null) return dropped("the answers are too long to be judged, or the judge is no model that answers in words");
    asks.push(ask);
  }
  const errands = asks.map(({ endpoint, body }, at) => ({
    ...errandOf(pair),
    kind: "grade" as const,
    content: JSON.stringify({ model: unsure[at]?.name }),
    endpoint,
    body,
  }));
  const ids = await askAll(deps, tx, errands);
  if (ids === null) return dropped("the judge could not be asked: no budget, no lane, or too many are out");
  const judges = Object.fromEntries(
    unsure.map(({ name }, at) => [name, { jobId: ids[at] ?? "", swapped: asks[at]?.swapped ?? false } satisfies AskedJudge]),
  );
  await stepPair(
    tx,
    {
      jobId: pair.row.jobId,
      state: "judged",
      waiting: ids.length,
      judges: JSON.stringify(judges),
      relations: JSON.stringify(relations),
    },
    deps.clock.job(),
  );
  return { kind: "judging" };
}

/** Reads what the judge said of a pair whose verdicts have come back. */
export async function readVerdicts(tx: Sql, pair: Pair): Promise<Graded> {
  const { tenantId, judges, relations: kept } = pair.row;
  const asked = JSON.parse(judges ?? "{}") as Record<string, AskedJudge>;
  const known = JSON.parse(kept ?? "{}") as Relations;
  const said = await readPairAnswers(tx, { tenantId, jobIds: Object.values(asked).map(({ jobId }) => jobId) });
  const of: Record<string, Relation> = { ...known.of };
  for (const [name, { jobId, swapped }] of Object.entries(asked)) {
    const answer = said.find((one) => one.jobId === jobId);
    const text = answer === undefined ? null : answerText(answer.endpoint as Endpoint, parsed(answer.answer));
    if (text === null) return dropped(`the judge did not answer about ${name}`);
    const verdict = readVerdict(text, swapped);
    if (verdict === null) return dropped(`the judge's verdict on ${name} could not be read`);
    of[name] = { to: verdict, by: "judge" };
  }
  return { kind: "graded", relations: { given: known.given, of } };
}
