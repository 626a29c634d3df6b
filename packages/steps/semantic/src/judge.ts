import { type Endpoint, NO_USAGE } from "@slowboat/contract";
import { hexOf } from "@slowboat/kernel";
import { type PriceBook, price, resolveModel } from "@slowboat/pricing";
import { judgeEndpoint, storedSemantic } from "@slowboat/reuse";
import { judgeMayHelp, type ReuseDecision, readState, takeVerdict } from "@slowboat/reuse-semantic";
import {
  type JudgedAsk,
  type JudgingAsk,
  missAsks,
  noteJudges,
  readFamilies,
  readJudging,
  type Sql,
  saveVerdicts,
  takeErrands,
  type WaitingAsk,
} from "@slowboat/store";
import type { SemanticParts } from "./create-semantic.ts";
import type { JudgeDesk } from "./judge-desk.ts";
import { INSTRUCTION_TOKENS, readVerdict, sameQuestionBody } from "./judge-prompt.ts";
import type { Looked } from "./look.ts";

/** A question nearer to its deadline than this (job ms) is asked anew: a judge that is asked in batch takes its time. */
const LEAST_TIME_MS = 2 * 3_600_000;
/** A judgement may cost this share of an answer. */
const COST_SHARE = 0.2;
const VERDICT_TOKENS = 16;
const CHARS_A_TOKEN = 4;
const VERDICTS = 200;

/** The judge that a waiting question may be put to: the tenant's, where the verifier is in doubt, there is time, and the word costs little beside the answer. */
export function judgeFor(desk: JudgeDesk | undefined, ask: WaitingAsk, looked: Looked | null, nowMs: number): string | null {
  const { judge } = storedSemantic(ask.semanticCache);
  if (desk === undefined || judge === null || looked === null || !looked.decision.gray || looked.entry === null) return null;
  if (ask.deadlineAtMs === null || ask.deadlineAtMs - nowMs < LEAST_TIME_MS) return null;
  if (!judgeMayHelp(looked.state, ask.maxError)) return null;
  const texts = ask.text.length + (candidateOf(looked)?.length ?? 0);
  const word = costOf(desk.book, judge, { input: INSTRUCTION_TOKENS + texts / CHARS_A_TOKEN, output: VERDICT_TOKENS }, nowMs);
  const answer = costOf(desk.book, ask.model, { input: ask.inputTokensEst, output: ask.outputTokensEst }, nowMs);
  return word !== null && answer !== null && word <= COST_SHARE * answer ? judge : null;
}

const candidateOf = ({ ask, decision }: Looked): string | undefined => ask.neighbours.find(({ id }) => id === decision.candidate)?.text;

/** Nano-USD at the standard tier: both prices fall alike in batch. `null` for what has no price. */
function costOf(book: PriceBook, name: string, tokens: { readonly input: number; readonly output: number }, nowMs: number): number | null {
  const [first] = resolveModel(book, name)?.candidates ?? [];
  if (first === undefined) return null;
  const usage = { ...NO_USAGE, input: Math.round(tokens.input), output: Math.round(tokens.output) };
  const cost = price(book, { ...first, tier: "standard" }, usage, nowMs);
  return cost.unpriced ? null : Number(cost.nano);
}

/** A question that is to wait for a judge. */
export interface ToJudge {
  readonly ask: WaitingAsk;
  readonly looked: Looked;
  readonly judge: string;
}

/** Puts questions to their judges; one that cannot be put is asked anew. In the transaction that wrote that they wait. */
export async function askJudges(tx: Sql, { rng, clock, judge: desk }: SemanticParts, rows: readonly ToJudge[]): Promise<void> {
  if (rows.length === 0 || desk === undefined) return;
  const errands = rows.map(({ ask, looked, judge }) => {
    const endpoint = judgeEndpoint(resolveModel(desk.book, judge)?.endpoints) ?? "/v1/chat/completions";
    const body = sameQuestionBody(endpoint, judge, [candidateOf(looked) ?? "", ask.text], rng);
    const { tenantId, keyId, jobId, createdAtMs, deadlineAtMs } = ask;
    // Its job waits for half of its time at most: a later word would be paid for in vain.
    const withinMs = Math.max(1, (createdAtMs + (deadlineAtMs ?? createdAtMs)) / 2 - clock.job());
    return { tenantId, keyId, kind: "same-question", subjectId: jobId, content: "{}", endpoint, body, withinMs } as const;
  });
  const sent = await desk.ask(tx, errands);
  await noteJudges(
    tx,
    rows.flatMap(({ ask, judge }, at) => (sent[at] == null ? [] : [{ jobId: ask.jobId, judge }])),
  );
  await missAsks(
    tx,
    rows.flatMap(({ ask }, at) => (sent[at] == null ? [ask.jobId] : [])),
    clock.job(),
  );
}

/**
 * Takes the words of judges that have come: a yes gives the answer, or is looked at to learn what the judge is worth; anything else asks anew. A word that comes
 * after its question went its way changes nothing. Returns how many words came.
 */
export async function takeVerdicts(parts: SemanticParts, signal: AbortSignal): Promise<number> {
  let total = 0;
  while (!signal.aborted) {
    const taken = await parts.store.begin((tx) => takeSome(tx, parts));
    total += taken;
    if (taken < VERDICTS) return total;
  }
  return total;
}

async function takeSome(tx: Sql, { rng, clock, logger }: SemanticParts): Promise<number> {
  const words = await takeErrands(tx, { kind: "same-question", limit: VERDICTS });
  if (words.length === 0) return 0;
  const asks = new Map(
    (
      await readJudging(
        tx,
        words.map(({ subjectId }) => subjectId),
      )
    ).map((ask) => [ask.jobId, ask]),
  );
  const families = new Map([...asks.values()].map((ask) => [familyOf(ask), { tenantId: ask.tenantId, family: hexOf(ask.family), version: 0 }]));
  const learned = await readFamilies(tx, [...families.values()]);
  const states = new Map(learned.map(({ tenantId, family, state }) => [`${tenantId} ${family}`, readState(state)]));
  const rows = words.flatMap((word): JudgedAsk[] => {
    const ask = asks.get(word.subjectId);
    if (ask === undefined) return [];
    const said = readVerdict(word.endpoint as Endpoint, word.answer);
    const state = states.get(familyOf(ask));
    const decision = JSON.parse(ask.decision) as ReuseDecision;
    const taken = said === true && state !== undefined ? takeVerdict(state, ask.maxError, rng) : null;
    if (taken?.kind !== "reuse") return [{ jobId: ask.jobId, verdict: said, kind: "miss", decision: ask.decision }];
    const reasons = [...decision.reasons, `${word.model} takes both questions for the same`];
    const given: ReuseDecision = { ...decision, kind: "reuse", id: decision.candidate, propensity: taken.propensity, reasons };
    return [{ jobId: ask.jobId, verdict: true, kind: "reuse", decision: JSON.stringify(given) }];
  });
  await saveVerdicts(tx, rows, clock.job());
  logger.info(
    { words: words.length, yes: rows.filter(({ verdict }) => verdict).length, given: rows.filter(({ kind }) => kind === "reuse").length },
    "cache-judged",
  );
  return words.length;
}

const familyOf = ({ tenantId, family }: Pick<JudgingAsk, "tenantId" | "family">): string => `${tenantId} ${hexOf(family)}`;
